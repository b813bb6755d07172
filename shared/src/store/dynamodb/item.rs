//! Conversion of rows to DynamoDB's items and back. [`store::table`] describes the attributes.
//!
//! [`store::table`]: crate::store::table

use std::{collections::HashMap, fmt};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};

use crate::{
    clock::Timestamp,
    crypto::secret::Digest,
    store::{
        DocumentRow, Lease, Owner, PointerRow, PreviousToken, RefreshRow, SessionRow, Tombstone,
        table::{EXPIRES_AT, ISSUED_AT, PARTITION_KEY, PROVIDER_SESSION, SUBJECT},
    },
};

/// An item: values by the names of its attributes.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The kind of a row. Its key begins with it, so that rows of different kinds cannot be confused.
#[derive(Clone, Copy, Debug)]
pub(super) enum RowKind {
    Session,
    Token,
    Once,
    Ended,
    Provider,
}

/// A required attribute is missing, or has another type.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Unreadable(pub(super) &'static str);

/// The value of the partition key.
pub(super) fn key(kind: RowKind, digest: Digest) -> AttributeValue {
    AttributeValue::S(format!("{kind}#{digest}"))
}

/// A time, as a number.
pub(super) fn seconds(time: Timestamp) -> AttributeValue {
    number(time.as_unix())
}

pub(super) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn bytes(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// A digest, as 32 bytes.
pub(super) fn digest(digest: Digest) -> AttributeValue {
    bytes(*digest.as_bytes())
}

pub(super) fn session_item(row: SessionRow) -> Item {
    let refresh = row.refresh.into_iter().flat_map(refresh_attributes);
    let refresh: Vec<_> = refresh.map(|(name, value)| (name.to_owned(), value)).collect();
    let mut item = item(
        RowKind::Session,
        row.key,
        row.expires_at,
        [
            ("created_at", seconds(row.created_at)),
            ("used_at", seconds(row.used_at)),
            ("ends_at", seconds(row.ends_at)),
            ("cookie_key", bytes(row.cookie_key)),
            ("sealed", bytes(row.sealed)),
            (SUBJECT, digest(row.owner.subject)),
            (ISSUED_AT, seconds(row.owner.issued_at)),
        ],
    );
    // The key of an index may be missing, and then the index omits the row; it must not be null.
    if let Some(provider_session) = row.owner.provider_session {
        item.insert(PROVIDER_SESSION.to_owned(), digest(provider_session));
    }
    item.extend(refresh);
    item
}

/// The additional attributes of a refreshable session.
pub(super) fn refresh_attributes(row: RefreshRow) -> Vec<(&'static str, AttributeValue)> {
    let mut attributes = vec![
        (REFRESH_SEALED, bytes(row.sealed)),
        (REFRESH_VERSION, number(row.version)),
        ("refreshed_at", seconds(row.refreshed_at)),
        ("current_token", bytes(*row.current.as_bytes())),
    ];
    if let Some(previous) = row.previous {
        attributes.push((PREVIOUS_TOKEN, bytes(*previous.pointer.as_bytes())));
        attributes.push((PREVIOUS_TOKEN_UNTIL, seconds(previous.until)));
        attributes.push((PREVIOUS_TOKEN_KEY, bytes(previous.token_key)));
    }
    if let Some(lease) = row.lease {
        attributes.push((LEASE_OWNER, bytes(lease.owner)));
        attributes.push((LEASE_UNTIL, seconds(lease.expires_at)));
    }
    attributes
}

/// The attributes of [`refresh_attributes`] that may be absent.
pub(super) const PASSING_ATTRIBUTES: [&str; 5] =
    [PREVIOUS_TOKEN, PREVIOUS_TOKEN_UNTIL, PREVIOUS_TOKEN_KEY, LEASE_OWNER, LEASE_UNTIL];

pub(super) fn pointer_item(row: PointerRow) -> Item {
    item(
        RowKind::Token,
        row.key,
        row.expires_at,
        [("session", digest(row.session)), ("token_key", bytes(row.token_key))],
    )
}

/// A claimed mark. `claimant` identifies the call that claimed it.
pub(super) fn mark_item(mark: Digest, claimant: [u8; 16], expires_at: Timestamp) -> Item {
    item(RowKind::Once, mark, expires_at, [("claimant", bytes(claimant))])
}

pub(super) fn tombstone_item(tombstone: Tombstone) -> Item {
    let issued_before = seconds(tombstone.issued_before);
    item(RowKind::Ended, tombstone.owner, tombstone.expires_at, [("issued_before", issued_before)])
}

/// Ignores attributes that this version does not know (R97).
pub(super) fn read_session(key: Digest, item: &mut Item) -> Result<SessionRow, Unreadable> {
    Ok(SessionRow {
        key,
        owner: Owner {
            subject: take_digest(item, SUBJECT)?,
            provider_session: item
                .contains_key(PROVIDER_SESSION)
                .then(|| take_digest(item, PROVIDER_SESSION))
                .transpose()?,
            issued_at: read_time(item, ISSUED_AT)?,
        },
        created_at: read_time(item, "created_at")?,
        used_at: read_time(item, "used_at")?,
        ends_at: read_time(item, "ends_at")?,
        expires_at: read_time(item, EXPIRES_AT)?,
        cookie_key: take_bytes(item, "cookie_key")?,
        sealed: take_bytes(item, "sealed")?,
        refresh: read_refresh(item)?,
    })
}

fn read_refresh(item: &mut Item) -> Result<Option<RefreshRow>, Unreadable> {
    if !item.contains_key(REFRESH_SEALED) {
        return Ok(None);
    }
    let previous = if item.contains_key(PREVIOUS_TOKEN) {
        Some(PreviousToken {
            pointer: Digest::from_bytes(take_array(item, PREVIOUS_TOKEN)?),
            until: read_time(item, PREVIOUS_TOKEN_UNTIL)?,
            token_key: take_bytes(item, PREVIOUS_TOKEN_KEY)?,
        })
    } else {
        None
    };
    let lease = if item.contains_key(LEASE_OWNER) {
        let owner = take_array(item, LEASE_OWNER)?;
        Some(Lease { owner, expires_at: read_time(item, LEASE_UNTIL)? })
    } else {
        None
    };
    Ok(Some(RefreshRow {
        sealed: take_bytes(item, REFRESH_SEALED)?,
        version: read_number(item, REFRESH_VERSION)?,
        refreshed_at: read_time(item, "refreshed_at")?,
        current: Digest::from_bytes(take_array(item, "current_token")?),
        previous,
        lease,
    }))
}

/// See [`read_session`].
pub(super) fn read_pointer(key: Digest, item: &mut Item) -> Result<PointerRow, Unreadable> {
    Ok(PointerRow {
        key,
        session: take_digest(item, "session")?,
        token_key: take_bytes(item, "token_key")?,
        expires_at: read_time(item, EXPIRES_AT)?,
    })
}

/// See [`read_session`]. `None` if the row has only a lease and no document yet.
pub(super) fn read_document(
    key: Digest,
    item: &mut Item,
) -> Result<Option<DocumentRow>, Unreadable> {
    if !item.contains_key(DOCUMENT) {
        return Ok(None);
    }
    Ok(Some(DocumentRow {
        key,
        text: take_bytes(item, DOCUMENT)?,
        fetched_at: read_time(item, "fetched_at")?,
        expires_at: read_time(item, EXPIRES_AT)?,
    }))
}

/// When the lease on a document expires. `None` if that cannot be read.
pub(super) fn read_lease_end(item: &Item) -> Option<Timestamp> {
    read_time(item, LEASE_UNTIL).ok()
}

/// The digest in the key of a row of `kind`; `None` for a row of another kind.
pub(super) fn read_key(kind: RowKind, item: &Item) -> Option<Digest> {
    let key = item.get(PARTITION_KEY)?.as_s().ok()?;
    Digest::parse(key.strip_prefix(&format!("{kind}#"))?)
}

/// Whether the item is a row that has not expired.
pub(super) fn is_live(item: &Item, now: Timestamp) -> Result<bool, Unreadable> {
    Ok(now < read_time(item, EXPIRES_AT)?)
}

/// Whether `claimant` claimed the mark.
pub(super) fn is_claimed_by(item: &Item, claimant: [u8; 16]) -> bool {
    matches!(item.get("claimant"), Some(AttributeValue::B(by)) if by.as_ref() == claimant)
}

/// The prefix of a key.
impl fmt::Display for RowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "session",
            Self::Token => "token",
            Self::Once => "once",
            Self::Ended => "ended",
            Self::Provider => "provider",
        })
    }
}

fn item<const N: usize>(
    kind: RowKind,
    digest: Digest,
    expires_at: Timestamp,
    attributes: [(&str, AttributeValue); N],
) -> Item {
    [(PARTITION_KEY, key(kind, digest)), (EXPIRES_AT, seconds(expires_at))]
        .into_iter()
        .chain(attributes)
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn read_time(item: &Item, name: &'static str) -> Result<Timestamp, Unreadable> {
    read_number(item, name).map(Timestamp::from_unix)
}

fn read_number(item: &Item, name: &'static str) -> Result<u64, Unreadable> {
    match item.get(name) {
        Some(AttributeValue::N(number)) => number.parse().ok(),
        _ => None,
    }
    .ok_or(Unreadable(name))
}

fn take_digest(item: &mut Item, name: &'static str) -> Result<Digest, Unreadable> {
    let bytes = take_bytes(item, name)?.try_into().map_err(|_: Vec<u8>| Unreadable(name))?;
    Ok(Digest::from_bytes(bytes))
}

fn take_bytes(item: &mut Item, name: &'static str) -> Result<Vec<u8>, Unreadable> {
    match item.remove(name) {
        Some(AttributeValue::B(bytes)) => Ok(bytes.into_inner()),
        _ => Err(Unreadable(name)),
    }
}

fn take_array<const N: usize>(item: &mut Item, name: &'static str) -> Result<[u8; N], Unreadable> {
    take_bytes(item, name)?.try_into().map_err(|_: Vec<u8>| Unreadable(name))
}

const DOCUMENT: &str = "document";
const REFRESH_SEALED: &str = "refresh_sealed";
const REFRESH_VERSION: &str = "refresh_version";
const PREVIOUS_TOKEN: &str = "previous_token";
const PREVIOUS_TOKEN_UNTIL: &str = "previous_token_until";
const PREVIOUS_TOKEN_KEY: &str = "previous_token_key";
const LEASE_OWNER: &str = "lease_owner";
const LEASE_UNTIL: &str = "lease_until";
