//! `GET /pictures/{picture}`: the pictures of the sample users.

use axum::{
    extract::{Path, rejection::PathRejection},
    response::Response,
};

use super::{pages, users::SAMPLE_USERS};

pub(super) async fn picture(picture: Result<Path<String>, PathRejection>) -> Response {
    let known =
        picture.ok().and_then(|Path(name)| SAMPLE_USERS.iter().find(|user| user.picture == name));
    match known {
        Some(user) => pages::image(user.image),
        None => pages::not_found().await,
    }
}
