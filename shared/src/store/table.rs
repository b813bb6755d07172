//! The table that `store::dynamodb` keeps its rows in, for whoever creates it: the deployment's
//! template, an emulator, a test.
//!
//! One table holds everything, under one string key:
//!
//! | row | `pk` | other attributes |
//! |---|---|---|
//! | a session | `session#DIGEST` | `created_at`, `used_at`, `ends_at`, `cookie_key`, `sealed` |
//! | the pointer from a token | `token#DIGEST` | `session`, `token_key` |
//! | a claimed mark | `once#DIGEST` | `claimant` |
//!
//! DIGEST is a SHA-256 in base64url. Every row has `expires_at`, which is the table's TTL attribute.
//! All `…_at` are numbers: whole seconds since 1970. `session` holds a digest's 32 bytes,
//! `claimant` 16 random ones; `cookie_key`, `token_key` and `sealed` are ciphertext. Nothing else is
//! in the table (R86, R98).

use serde_json::{Value, json};

/// The partition key, a string. There is no sort key.
pub const PARTITION_KEY: &str = "pk";

/// The TTL attribute, a number of seconds since 1970.
pub const EXPIRES_AT: &str = "expires_at";

/// The body of the `CreateTable` call that makes the table `name`.
pub fn create_table(name: &str) -> Value {
    json!({
        "TableName": name,
        "AttributeDefinitions": [{ "AttributeName": PARTITION_KEY, "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": PARTITION_KEY, "KeyType": "HASH" }],
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

/// What a caller of each of the store's methods must be allowed to do with the table (IAM).
///
/// A transaction needs no right of its own but those of its parts.
pub const ACTIONS: [(&str, &[&str]); 6] = [
    ("claim", &["dynamodb:PutItem"]),
    ("create", &["dynamodb:PutItem"]),
    ("end", &["dynamodb:DeleteItem"]),
    ("pointer", &["dynamodb:GetItem"]),
    ("session", &["dynamodb:GetItem"]),
    ("slide", &["dynamodb:UpdateItem"]),
];
