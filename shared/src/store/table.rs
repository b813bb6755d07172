//! The DynamoDB table of `store::dynamodb`, for everything that creates it: the deployment's template,
//! an emulator, a test.
//!
//! One table contains all rows, under one string key:
//!
//! | row | `pk` | other attributes |
//! |---|---|---|
//! | a session | `session#DIGEST` | `created_at`, `used_at`, `ends_at`, `cookie_key`, `sealed`, `subject`, `issued_at`, `provider_session` if the provider names one |
//! | the pointer from a token | `token#DIGEST` | `session`, `token_key` |
//! | a claimed mark | `once#DIGEST` | `claimant` |
//! | the tombstone of an owner | `ended#DIGEST` | `issued_before` |
//! | a document of the provider | `provider#DIGEST` | `document`, `fetched_at`; `lease_until` while it is fetched |
//!
//! A refreshable session also has `refresh_sealed`, `refresh_version`, `refreshed_at` and
//! `current_token`. For a short time after a refresh it has `previous_token`, `previous_token_until`
//! and `previous_token_key`; during a refresh it has `lease_owner` and `lease_until`.
//!
//! DIGEST is a SHA-256 in base64url. Every row has `expires_at`, which is the table's TTL attribute.
//! All `…_at`, `…_until` and `issued_before` are numbers: whole seconds since 1970. `session`,
//! `subject`, `provider_session`, `current_token` and `previous_token` contain a digest's 32 bytes;
//! `claimant` and `lease_owner` contain 16 random bytes. `refresh_version` is a number. `cookie_key`,
//! `token_key`, `previous_token_key`, `refresh_sealed` and `sealed` are ciphertext. `document` is the
//! text that the provider sent, which is public. The table contains nothing else (R86, R98).
//!
//! Documents are not secret, but they are trusted: an attacker who can write them can publish a
//! signing key. That adds no power: an attacker who can write rows can also write a session of any
//! user, under a cookie that the attacker knows.
//!
//! Two global secondary indexes find the sessions of an owner: [`BY_SUBJECT`] and
//! [`BY_PROVIDER_SESSION`]. They contain only session rows, and of those only the keys. The indexed
//! attributes never change, so using a session does not write to an index.

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

/// The body of the `CreateTable` call that creates the table `name`.
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

/// The body of the `UpdateTimeToLive` call that makes DynamoDB delete expired rows of the table
/// `name`.
pub fn update_time_to_live(name: &str) -> Value {
    json!({
        "TableName": name,
        "TimeToLiveSpecification": { "AttributeName": EXPIRES_AT, "Enabled": true },
    })
}

/// An IAM permission that a function needs: one action, on rows of some kinds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Right {
    /// The action, e.g. `dynamodb:GetItem`.
    pub action: &'static str,
    /// The prefixes of the rows' keys (`dynamodb:LeadingKeys`). Empty for a query: an index contains
    /// only the keys of sessions.
    pub rows: &'static [&'static str],
    /// The attributes that the call names, if it uses no others (`dynamodb:Attributes`). Empty if the
    /// permission is for whole rows.
    pub attributes: &'static [&'static str],
}

/// The permissions that each method of the store needs. A test compares the functions' policies with
/// them.
///
/// A transaction needs only the permissions of its parts.
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

/// A session is created and ended as a whole. Updates change some attributes, but never the owner.
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
