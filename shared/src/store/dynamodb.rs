//! Sessions in one DynamoDB table, which [`store::table`](crate::store::table) describes.
//!
//! It keeps the laws of [`SessionStore`] as follows:
//!
//! 1. Every read and every condition compares the expiry: DynamoDB deletes a row up to days after its
//!    TTL.
//! 2. `create` is one transaction of two conditional puts and a check for each tombstone.
//! 3. Every read is strongly consistent.
//! 4. `slide` is an update on the condition that the row exists; only `create` puts a session.
//! 5. `claim` is one conditional put.
//! 6. The transaction of `create` checks the tombstones: it runs either before or after `mark_ended`,
//!    never in between.
//! 7. `mark_ended` is one conditional put.
//! 8. `sessions_of` reads all pages of an index. DynamoDB writes a global index after the row, usually
//!    within a fraction of a second, but without a guaranteed bound: see [`INDEX_LAG`].
//! 9. `lease` is one conditional update.
//! 10. `renew` is one transaction of a conditional update and a conditional put.
//! 11. `lease_document` is one conditional update, which creates the row if it is missing.
//! 12. `write_document` is one conditional update.
//!
//! A call is repeated when it times out, when its connection has died, or when DynamoDB fails,
//! throttles it or reports a conflict with another call, all within three seconds. After that the store
//! is unavailable, which is never the same as "no session" (R96). A put that is repeated after its
//! answer was lost finds its own row: `create` and `renew` carry DynamoDB's idempotency token, `claim`
//! and `lease` recognise their own row. A repeated `end` may return that there was no session.
//!
//! The permissions that a function needs are in [`table::RIGHTS`].
//!
//! [`table::RIGHTS`]: super::table::RIGHTS

use std::{
    error::Error,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    operation::{
        put_item::PutItemError, transact_write_items::TransactWriteItemsError,
        update_item::builders::UpdateItemFluentBuilder,
    },
    types::{
        ConditionCheck, Put, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure,
        TransactWriteItem,
    },
};
use aws_types::SdkConfig;

use self::{
    call::call,
    item::{
        Item, RowKind, Unreadable, is_claimed_by, is_live, key, mark_item, pointer_item,
        read_pointer, read_session, seconds, session_item, tombstone_item,
    },
};
use super::{
    CreateError, Lease, PointerRow, RenewError, Renewal, Selection, SessionRow, SessionStore,
    StoreError, Tombstone, table::PARTITION_KEY,
};
use crate::{
    aws::{CallError, dynamodb_config},
    clock::Timestamp,
    crypto::{random::Random, secret::Digest},
    names::LogEvent,
};

mod call;
mod config;
mod document;
mod item;
mod owned;
mod renewal;
#[cfg(test)]
mod tests;

pub use self::config::DynamoConfig;

/// The condition of a put: there is no row, or only an expired one (law 1).
const IS_FREE: &str = "attribute_not_exists(pk) OR expires_at <= :now";

/// The condition of an update: there is a row that has not expired (law 4).
const IS_THERE: &str = "attribute_exists(pk) AND expires_at > :now";

/// The condition of a login: no tombstone covers it (law 6).
const IS_NOT_ENDED: &str =
    "attribute_not_exists(pk) OR expires_at <= :now OR issued_before <= :issued_at";

/// The condition of a tombstone: no existing one covers more (law 7).
const COVERS_MORE: &str =
    "attribute_not_exists(pk) OR expires_at <= :now OR issued_before <= :issued_before";

/// How long to wait until the indexes show a row. DynamoDB usually writes them within a fraction of a
/// second, but guarantees no bound. A session that was created at the moment of a logout, and that an
/// index shows later than this, stays live until it expires.
pub const INDEX_LAG: Duration = Duration::from_secs(1);

/// A session store in DynamoDB.
#[derive(Clone)]
pub struct DynamoStore {
    config: SdkConfig,
    /// Shared by all clones. Created on first use, because its creation takes a third of the CPU time of
    /// a start, and the login page needs no table.
    client: Arc<OnceLock<Client>>,
    table: String,
    random: Random,
}

impl DynamoStore {
    /// The store that `config` describes. Sends no request, so the table may be missing.
    ///
    /// `random` distinguishes the claims of one mark, and varies the waits between repeated calls.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up on this machine.
    pub fn new(config: DynamoConfig, random: Random) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let DynamoConfig { table, connection } = config;
        Ok(Self { config: connection.sdk_config()?, client: Arc::default(), table, random })
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| Client::from_conf(dynamodb_config(&self.config)))
    }

    /// An update of one row, without its expressions.
    fn update(&self, kind: RowKind, digest: Digest) -> UpdateItemFluentBuilder {
        self.client().update_item().table_name(&self.table).key(PARTITION_KEY, key(kind, digest))
    }

    async fn read(&self, kind: RowKind, digest: Digest) -> Result<Option<Item>, StoreError> {
        let request = self
            .client()
            .get_item()
            .table_name(&self.table)
            .key(PARTITION_KEY, key(kind, digest))
            .consistent_read(true);
        let answer = call("GetItem", &self.random, || request.clone().send()).await?;
        // A read has no condition that could fail.
        Ok(answer.map_err(|error| unexpected("GetItem", &error))?.item)
    }

    fn put(&self, item: Item, now: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(IS_FREE)
            .expression_attribute_values(":now", seconds(now))
            .build()
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn check_not_ended(
        &self,
        owner: Digest,
        issued_at: Timestamp,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .key(PARTITION_KEY, key(RowKind::Ended, owner))
            .condition_expression(IS_NOT_ENDED)
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":issued_at", seconds(issued_at))
            .build()
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }
}

#[async_trait]
impl SessionStore for DynamoStore {
    async fn create(
        &self,
        session: SessionRow,
        pointer: PointerRow,
        now: Timestamp,
    ) -> Result<(), CreateError> {
        let owner = session.owner;
        let mut request = self
            .client()
            .transact_write_items()
            .transact_items(self.put(session_item(session), now)?)
            .transact_items(self.put(pointer_item(pointer), now)?);
        for digest in [Some(owner.subject), owner.provider_session].into_iter().flatten() {
            let check = self.check_not_ended(digest, owner.issued_at, now)?;
            request = request.transact_items(check);
        }
        call("TransactWriteItems", &self.random, || request.clone().send())
            .await?
            .map(|_| ())
            .map_err(|error| why_not_created(&error))
    }

    async fn session(&self, key: Digest, now: Timestamp) -> Result<Option<SessionRow>, StoreError> {
        let Some(mut item) = self.read(RowKind::Session, key).await? else { return Ok(None) };
        let row = readable(RowKind::Session, key, read_session(key, &mut item));
        Ok(row.filter(|row| now < row.expires_at))
    }

    async fn pointer(&self, key: Digest, now: Timestamp) -> Result<Option<PointerRow>, StoreError> {
        let Some(mut item) = self.read(RowKind::Token, key).await? else { return Ok(None) };
        let row = readable(RowKind::Token, key, read_pointer(key, &mut item));
        Ok(row.filter(|row| now < row.expires_at))
    }

    async fn slide(
        &self,
        key: Digest,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let request = self
            .update(RowKind::Session, key)
            .update_expression("SET used_at = :now, expires_at = :expires_at")
            .condition_expression(IS_THERE)
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":expires_at", seconds(expires_at));
        Ok(call("UpdateItem", &self.random, || request.clone().send()).await?.is_ok())
    }

    async fn end(&self, key: Digest, now: Timestamp) -> Result<bool, StoreError> {
        let request = self
            .client()
            .delete_item()
            .table_name(&self.table)
            .key(PARTITION_KEY, item::key(RowKind::Session, key))
            .return_values(ReturnValue::AllOld);
        let answer = call("DeleteItem", &self.random, || request.clone().send())
            .await?
            // An unconditional delete has no condition that could fail.
            .map_err(|error| unexpected("DeleteItem", &error))?;
        let was_live = answer.attributes.as_ref().map(|item| is_live(item, now));
        Ok(was_live.and_then(|live| readable(RowKind::Session, key, live)).unwrap_or(false))
    }

    async fn claim(
        &self,
        mark: Digest,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let claimant = self.random.bytes();
        let request = self
            .client()
            .put_item()
            .table_name(&self.table)
            .set_item(Some(mark_item(mark, claimant, expires_at)))
            .condition_expression(IS_FREE)
            .expression_attribute_values(":now", seconds(now))
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        Ok(match call("PutItem", &self.random, || request.clone().send()).await? {
            Ok(_) => true,
            Err(PutItemError::ConditionalCheckFailedException(taken)) => {
                taken.item().is_some_and(|item| is_claimed_by(item, claimant))
            }
            Err(_) => false,
        })
    }

    async fn sessions_of(
        &self,
        selection: Selection,
        _: Timestamp,
    ) -> Result<Vec<Digest>, StoreError> {
        self.query(selection).await
    }

    async fn end_all(&self, keys: &[Digest], _: Timestamp) -> Result<(), StoreError> {
        self.delete_all(keys).await
    }

    async fn mark_ended(&self, tombstone: Tombstone, now: Timestamp) -> Result<(), StoreError> {
        let request = self
            .client()
            .put_item()
            .table_name(&self.table)
            .condition_expression(COVERS_MORE)
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":issued_before", seconds(tombstone.issued_before))
            .set_item(Some(tombstone_item(tombstone)));
        // If the condition fails, the existing tombstone covers at least as much.
        let _ = call("PutItem", &self.random, || request.clone().send()).await?;
        Ok(())
    }

    fn index_lag(&self) -> Duration {
        INDEX_LAG
    }

    async fn lease(
        &self,
        key: Digest,
        version: u64,
        lease: Lease,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.take_lease(key, version, lease, now).await
    }

    async fn renew(&self, renewal: Renewal, now: Timestamp) -> Result<(), RenewError> {
        self.write_renewal(renewal, now).await
    }
}

/// Shows only the table's name: the client holds credentials.
impl fmt::Debug for DynamoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoStore").field("table", &self.table).finish_non_exhaustive()
    }
}

/// Treats an unreadable row as missing (R97): it gives no access, and its owner logs in again. The log
/// reports it, since a whole table of such rows is an operator's mistake.
fn readable<T>(kind: RowKind, digest: Digest, row: Result<T, Unreadable>) -> Option<T> {
    row.inspect_err(|Unreadable(attribute)| {
        tracing::warn!(event = LogEvent::StoreRowUnreadable.name(), row = %digest, %kind, attribute, "a row of the session table cannot be read");
    })
    .ok()
}

/// A tombstone has priority over a taken key: the tombstone is final, while a taken key leads to
/// another secret.
fn why_not_created(error: &TransactWriteItemsError) -> CreateError {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        return CreateError::Exists;
    };
    // Reasons are in the order of the transaction: the two puts, then the checks of the tombstones.
    let mut checks = cancelled.cancellation_reasons().iter().skip(2);
    if checks.any(|reason| reason.code() == Some("ConditionalCheckFailed")) {
        CreateError::Ended
    } else {
        CreateError::Exists
    }
}

fn unexpected(operation: &'static str, _: &impl Error) -> StoreError {
    StoreError::Unavailable(Box::new(CallError::Malformed(operation)))
}
