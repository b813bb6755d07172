//! Each user lists, reads, creates and deletes their own notes.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    error::{DisplayErrorContext, SdkError},
    types::{AttributeValue, ReturnValue},
};
use axum::{
    Extension, Json, Router,
    extract::{Path, Query, State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::{
    aws,
    clock::Timestamp,
    crypto::{random::Random, secret::Digest},
    guard::{Principal, Rules, routes::require},
    settings::Settings,
};

const READER: Rules<'_> = Rules { scopes: &["read:notes"], ..Rules::NONE };
const WRITER: Rules<'_> = Rules { scopes: &["write:notes"], ..Rules::NONE };

/// The longest text of a note in bytes.
pub const MAX_TEXT: usize = 10_000;
/// The number of notes on one page of the list.
pub const PAGE: usize = 50;

/// The notes in their table.
#[derive(Clone, Debug)]
pub struct Notes {
    client: Client,
    table: String,
    random: Random,
}

/// A note. Its id begins with the time of its creation, so the table keeps the order.
#[derive(Serialize)]
struct Note {
    id: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewNote {
    text: String,
}

#[derive(Deserialize)]
struct Page {
    after: Option<String>,
}

/// Why a request fails.
enum Failure {
    Invalid(&'static str),
    NotFound,
    Unavailable,
}

impl Notes {
    /// Reads `NOTES_TABLE` and the connection to AWS.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let table = settings.required("NOTES_TABLE", "the table of the notes", |name| {
            Ok::<_, &str>(name.to_owned())
        });
        let config = aws::dynamodb(settings);
        Some(Self { client: Client::from_conf(config?), table: table?, random: Random::system() })
    }

    /// The routes, each with its rule.
    pub fn router(self) -> Router {
        let list = routing::get(list).layer(require(READER));
        let create = routing::post(create).layer(require(WRITER));
        let read = routing::get(read).layer(require(READER));
        let delete = routing::delete(delete).layer(require(WRITER));
        Router::new()
            .route("/notes", list.merge(create))
            .route("/notes/{id}", read.merge(delete))
            .with_state(self)
    }
}

async fn list(
    State(notes): State<Notes>,
    caller: Principal,
    Query(Page { after }): Query<Page>,
) -> Result<Response, Failure> {
    let owner = owner(&caller);
    if after.as_deref().is_some_and(|after| !is_id(after)) {
        return Err(Failure::Invalid("`after` must be the id of a note."));
    }
    let found = notes
        .client
        .query()
        .table_name(&notes.table)
        .key_condition_expression("owner_digest = :owner")
        .expression_attribute_values(":owner", owner.clone())
        .set_exclusive_start_key(after.map(|id| key(&owner, &id)))
        .scan_index_forward(false)
        .limit(PAGE.try_into().unwrap_or(i32::MAX))
        .send()
        .await?;
    let next = found.last_evaluated_key().and_then(|key| text(key, "id"));
    let page: Vec<_> = found.items().iter().filter_map(note).collect();
    Ok(Json(json!({ "notes": page, "next": next })).into_response())
}

async fn create(
    State(notes): State<Notes>,
    caller: Principal,
    Extension(now): Extension<Timestamp>,
    new: Result<Json<NewNote>, JsonRejection>,
) -> Result<Response, Failure> {
    let invalid = Failure::Invalid("The body must be JSON: `text`, of 1 to 10,000 bytes.");
    let Ok(Json(NewNote { text })) = new else { return Err(invalid) };
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(invalid);
    }
    let random = u64::from_be_bytes(notes.random.bytes());
    let id = format!("{:010x}{random:016x}", now.as_unix());
    let put = notes.client.put_item().table_name(&notes.table);
    let item = put.set_item(Some(key(&owner(&caller), &id)));
    item.item("text", AttributeValue::S(text.clone())).send().await?;
    let location = [("location", format!("/notes/{id}"))];
    Ok((StatusCode::CREATED, location, Json(Note { id, text })).into_response())
}

async fn read(
    State(notes): State<Notes>,
    caller: Principal,
    Path(id): Path<String>,
) -> Result<Json<Note>, Failure> {
    let get = notes.client.get_item().table_name(&notes.table).consistent_read(true);
    let found = get.set_key(Some(existing(&caller, &id)?)).send().await?;
    found.item().and_then(note).map(Json).ok_or(Failure::NotFound)
}

async fn delete(
    State(notes): State<Notes>,
    caller: Principal,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    let delete = notes.client.delete_item().table_name(&notes.table);
    let delete = delete.set_key(Some(existing(&caller, &id)?));
    let deleted = delete.return_values(ReturnValue::AllOld).send().await?;
    deleted.attributes().map(|_| StatusCode::NO_CONTENT).ok_or(Failure::NotFound)
}

/// The digest of the user's subject. Each row has it in its key, so a user reaches no row of another.
fn owner(caller: &Principal) -> AttributeValue {
    let subject = caller.user.get("sub").and_then(|subject| subject.as_str());
    AttributeValue::S(Digest::of(subject.unwrap_or_default()).to_string())
}

fn key(owner: &AttributeValue, id: &str) -> HashMap<String, AttributeValue> {
    let id = AttributeValue::S(id.to_owned());
    [("owner_digest".to_owned(), owner.clone()), ("id".to_owned(), id)].into()
}

/// The key of the caller's note with this id, if it can be one.
fn existing(caller: &Principal, id: &str) -> Result<HashMap<String, AttributeValue>, Failure> {
    if is_id(id) { Ok(key(&owner(caller), id)) } else { Err(Failure::NotFound) }
}

fn is_id(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn note(item: &HashMap<String, AttributeValue>) -> Option<Note> {
    Some(Note { id: text(item, "id")?, text: text(item, "text")? })
}

fn text(item: &HashMap<String, AttributeValue>, name: &str) -> Option<String> {
    item.get(name)?.as_s().ok().cloned()
}

impl<E: std::error::Error + 'static, R: std::fmt::Debug> From<SdkError<E, R>> for Failure {
    fn from(error: SdkError<E, R>) -> Self {
        let error = DisplayErrorContext(&error);
        tracing::error!(event = "notes.unavailable", %error, "the table cannot be used");
        Self::Unavailable
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, code, description) = match self {
            Self::Invalid(description) => (StatusCode::BAD_REQUEST, "invalid_note", description),
            Self::NotFound => (StatusCode::NOT_FOUND, "note_not_found", "There is no such note."),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "notes_unavailable", "Try again later.")
            }
        };
        (status, Json(json!({ "code": code, "description": description }))).into_response()
    }
}
