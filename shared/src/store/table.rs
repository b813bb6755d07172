//! The table that `store::dynamodb` keeps its rows in, for whoever creates it: the deployment's
//! template, an emulator, a test.
//!
//! One table holds everything, under one string key:
//!
//! | row | `pk` | other attributes |
//! |---|---|---|
//! | a session | `session#DIGEST` | `created_at`, `used_at`, `ends_at`, `cookie_key`, `sealed`, `subject`, `issued_at`, `provider_session` where the provider names one |
//! | the pointer from a token | `token#DIGEST` | `session`, `token_key` |
//! | a claimed mark | `once#DIGEST` | `claimant` |
//! | the tombstone of an owner | `ended#DIGEST` | `issued_before` |
//! | a document of the provider | `provider#DIGEST` | `document`, `fetched_at`; while it is being fetched `lease_until` |
//!
//! A session that can be refreshed has `refresh_sealed`, `refresh_version`, `refreshed_at` and
//! `current_token` besides; for a moment after a refresh `previous_token`, `previous_token_until` and
//! `previous_token_key`; while it is being refreshed `lease_owner` and `lease_until`.
//!
//! DIGEST is a SHA-256 in base64url. Every row has `expires_at`, which is the table's TTL attribute.
//! All `…_at`, `…_until` and `issued_before` are numbers: whole seconds since 1970. `session`,
//! `subject`, `provider_session`, `current_token` and `previous_token` hold a digest's 32 bytes,
//! `claimant` and `lease_owner` 16 random ones; `refresh_version` is a number; `cookie_key`,
//! `token_key`, `previous_token_key`, `refresh_sealed` and `sealed` are ciphertext; `document` is the
//! text that the provider sent, which is public. Nothing else is in the table (R86, R98).
//!
//! Documents are not secret, but they are believed: whoever can write them can publish a signing key.
//! That opens nothing to them that was closed, for whoever can write rows can write a session of any
//! user under a cookie of their own.
//!
//! Two global secondary indexes find the sessions of an owner: [`BY_SUBJECT`] and
//! [`BY_PROVIDER_SESSION`]. Only session rows are in them, and of those only the keys; no attribute
//! of theirs ever changes, so that using a session writes to no index.

use serde_json::{Value, json};

/// The partition key, a string. There is no sort key.
pub const PARTITION_KEY: &str = "pk";

/// The TTL attribute, a number of seconds since 1970.
pub const EXPIRES_AT: &str = "expires_at";

/// The index of sessions by [`SUBJECT`], and within it by [`ISSUED_AT`].
pub const BY_SUBJECT: &str = "by_subject";

/// The index of sessions by [`PROVIDER_SESSION`], and within it by [`SUBJECT`].
pub const BY_PROVIDER_SESSION: &str = "by_provider_session";

/// The digest of the user, binary.
pub const SUBJECT: &str = "subject";

/// The digest of the provider's session, binary.
pub const PROVIDER_SESSION: &str = "provider_session";

/// When the provider issued the login's ID token, a number of seconds since 1970.
pub const ISSUED_AT: &str = "issued_at";

/// The body of the `CreateTable` call that makes the table `name`.
pub fn create_table(name: &str) -> Value {
    json!({
        "TableName": name,
        "AttributeDefinitions": [
            { "AttributeName": PARTITION_KEY, "AttributeType": "S" },
            { "AttributeName": SUBJECT, "AttributeType": "B" },
            { "AttributeName": PROVIDER_SESSION, "AttributeType": "B" },
            { "AttributeName": ISSUED_AT, "AttributeType": "N" },
        ],
        "KeySchema": [{ "AttributeName": PARTITION_KEY, "KeyType": "HASH" }],
        "GlobalSecondaryIndexes": [
            index(BY_SUBJECT, SUBJECT, ISSUED_AT),
            index(BY_PROVIDER_SESSION, PROVIDER_SESSION, SUBJECT),
        ],
        "BillingMode": "PAY_PER_REQUEST",
    })
}

/// The body of the `UpdateTimeToLive` call that lets DynamoDB delete what has expired in the table
/// `name`.
pub fn update_time_to_live(name: &str) -> Value {
    json!({
        "TableName": name,
        "TimeToLiveSpecification": { "AttributeName": EXPIRES_AT, "Enabled": true },
    })
}

/// A right that a function needs (IAM): one action, on rows of some kinds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Right {
    /// `dynamodb:GetItem`
    pub action: &'static str,
    /// How the keys of the rows begin (`dynamodb:LeadingKeys`). Empty for a query: an index holds the
    /// keys of sessions and nothing else.
    pub rows: &'static [&'static str],
    /// The attributes that the call names, if it leaves the others alone (`dynamodb:Attributes`).
    /// Empty: the right is one to whole rows.
    pub attributes: &'static [&'static str],
}

/// What each of the store's methods needs. The functions' policies are held against it.
///
/// A transaction needs no right of its own but those of its parts.
pub const RIGHTS: [(&str, &[Right]); 15] = [
    ("claim", &[rows("dynamodb:PutItem", &["once#"])]),
    (
        "create",
        &[
            rows("dynamodb:ConditionCheckItem", &["ended#"]),
            rows("dynamodb:PutItem", &["session#", "token#"]),
        ],
    ),
    ("documents", &[rows("dynamodb:BatchGetItem", &["provider#"])]),
    ("documents with a pointer", &[rows("dynamodb:BatchGetItem", &["provider#", "token#"])]),
    ("end", &[rows("dynamodb:DeleteItem", &["session#"])]),
    ("end_all", &[rows("dynamodb:DeleteItem", &["session#"])]),
    (
        "lease",
        &[session_update(&[
            PARTITION_KEY,
            EXPIRES_AT,
            "lease_owner",
            "lease_until",
            "refresh_version",
        ])],
    ),
    ("lease_document", &[rows("dynamodb:UpdateItem", &["provider#"])]),
    ("mark_ended", &[rows("dynamodb:PutItem", &["ended#"])]),
    ("pointer", &[rows("dynamodb:GetItem", &["token#"])]),
    (
        "renew",
        &[
            rows("dynamodb:PutItem", &["token#"]),
            session_update(&[
                PARTITION_KEY,
                "cookie_key",
                "current_token",
                "ends_at",
                EXPIRES_AT,
                "lease_owner",
                "lease_until",
                "previous_token",
                "previous_token_key",
                "previous_token_until",
                "refresh_sealed",
                "refresh_version",
                "refreshed_at",
                "sealed",
                "used_at",
            ]),
        ],
    ),
    ("session", &[rows("dynamodb:GetItem", &["session#"])]),
    ("sessions_of", &[rows("dynamodb:Query", &[])]),
    ("slide", &[session_update(&[PARTITION_KEY, EXPIRES_AT, "used_at"])]),
    ("write_document", &[rows("dynamodb:UpdateItem", &["provider#"])]),
];

const fn rows(action: &'static str, rows: &'static [&'static str]) -> Right {
    Right { action, rows, attributes: &[] }
}

/// A session is created and ended as a whole, and changed in some attributes: never in whose it is.
const fn session_update(attributes: &'static [&'static str]) -> Right {
    Right { action: "dynamodb:UpdateItem", rows: &["session#"], attributes }
}

fn index(name: &str, partition_key: &str, sort_key: &str) -> Value {
    json!({
        "IndexName": name,
        "KeySchema": [
            { "AttributeName": partition_key, "KeyType": "HASH" },
            { "AttributeName": sort_key, "KeyType": "RANGE" },
        ],
        "Projection": { "ProjectionType": "KEYS_ONLY" },
    })
}
