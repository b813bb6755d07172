//! Forms in the body of a request.

use http::{HeaderMap, header};

use crate::web::{query::Query, request::Request};

/// Why a body is not a form.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidForm {
    /// The media type is another one, missing or duplicated.
    #[error("the body is not application/x-www-form-urlencoded")]
    NotAForm,
    /// The body is longer than the limit.
    #[error("the body is too long")]
    TooLong,
}

/// The parameters of the form in `request`, whose body may have at most `limit` bytes.
///
/// # Errors
///
/// When the body is no form, or is longer.
pub fn parse(request: &Request, limit: usize) -> Result<Query, InvalidForm> {
    if !is_form(request.headers()) {
        return Err(InvalidForm::NotAForm);
    }
    if request.body().len() > limit {
        return Err(InvalidForm::TooLong);
    }
    Ok(Query::parse(request.body()))
}

/// Whether the media type is that of a form. Parameters of the media type are ignored.
fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(content_type), None) = (types.next(), types.next()) else { return false };
    content_type.to_str().is_ok_and(|text| {
        let media_type = text.split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}
