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

/// What a caller of each of the store's methods must be allowed to do with the table and its indexes
/// (IAM), and to which rows, by the beginnings of their keys (`dynamodb:LeadingKeys`).
///
/// A transaction needs no right of its own but those of its parts.
pub const ACTIONS: [(&str, &[&str], &[&str]); 15] = [
    ("claim", &["dynamodb:PutItem"], &["once#"]),
    (
        "create",
        &["dynamodb:ConditionCheckItem", "dynamodb:PutItem"],
        &["ended#", "session#", "token#"],
    ),
    ("documents", &["dynamodb:BatchGetItem"], &["provider#"]),
    ("documents with a pointer", &["dynamodb:BatchGetItem"], &["provider#", "token#"]),
    ("end", &["dynamodb:DeleteItem"], &["session#"]),
    ("end_all", &["dynamodb:DeleteItem"], &["session#"]),
    ("lease", &["dynamodb:UpdateItem"], &["session#"]),
    ("lease_document", &["dynamodb:UpdateItem"], &["provider#"]),
    ("mark_ended", &["dynamodb:PutItem"], &["ended#"]),
    ("pointer", &["dynamodb:GetItem"], &["token#"]),
    ("renew", &["dynamodb:PutItem", "dynamodb:UpdateItem"], &["session#", "token#"]),
    ("session", &["dynamodb:GetItem"], &["session#"]),
    ("sessions_of", &["dynamodb:Query"], &[]),
    ("slide", &["dynamodb:UpdateItem"], &["session#"]),
    ("write_document", &["dynamodb:UpdateItem"], &["provider#"]),
];

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
