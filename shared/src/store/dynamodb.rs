//! Sessions in one DynamoDB table, which [`store::table`](crate::store::table) describes.
//!
//! How the laws of [`SessionStore`] are kept:
//!
//! 1. Expiry is compared on every read and in every condition: DynamoDB deletes a row up to days
//!    after its TTL.
//! 2. `create` is one transaction of two conditional puts.
//! 3. Every read is strongly consistent.
//! 4. `slide` is an update on the condition that the row is there; nothing but `create` puts a
//!    session.
//! 5. `claim` is one conditional put.
//!
//! A call is sent again when it times out or DynamoDB fails, throttles it or finds it in conflict
//! with another, all within three seconds; then the store is unavailable, which is never the same
//! as "no session" (R96). A put that is sent again after its answer was lost meets itself: `create`
//! carries DynamoDB's idempotency token, `claim` recognises its own row. An `end` sent again may
//! answer that there was no session.
//!
//! What a function must be allowed to do with the table is in [`table::ACTIONS`].
//!
//! [`table::ACTIONS`]: super::table::ACTIONS

use std::{error::Error, fmt};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    operation::put_item::PutItemError,
    types::{
        Put, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem,
    },
};

use self::{
    call::call,
    item::{
        Item, Kind, Unreadable, is_claimed_by, is_live, key, mark_item, pointer_item, read_pointer,
        read_session, seconds, session_item,
    },
};
use super::{CreateError, PointerRow, SessionRow, SessionStore, StoreError, table::PARTITION_KEY};
use crate::{aws::CallError, clock::Timestamp, random::Random, secret::Digest};

mod call;
mod config;
mod item;
#[cfg(test)]
mod tests;

pub use self::config::DynamoConfig;

/// A put goes through where there is no row, or only one whose time has come (law 1).
const IS_FREE: &str = "attribute_not_exists(pk) OR expires_at <= :now";

/// An update goes through where there is a row whose time has not come (law 4).
const IS_THERE: &str = "attribute_exists(pk) AND expires_at > :now";

/// Keeps sessions in DynamoDB.
#[derive(Clone)]
pub struct DynamoStore {
    client: Client,
    table: String,
    random: Random,
}

impl DynamoStore {
    /// The store that `config` names. Nothing is asked yet, not even whether the table is there.
    ///
    /// `random` tells the claims of one mark apart and spreads repeated calls.
    ///
    /// # Errors
    ///
    /// If this machine's TLS cannot be set up.
    pub fn new(config: DynamoConfig, random: Random) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let DynamoConfig { table, connection } = config;
        Ok(Self { client: Client::new(&connection.sdk_config()?), table, random })
    }

    async fn read(&self, kind: Kind, digest: Digest) -> Result<Option<Item>, StoreError> {
        let request = self
            .client
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
}

#[async_trait]
impl SessionStore for DynamoStore {
    async fn create(
        &self,
        session: SessionRow,
        pointer: PointerRow,
        now: Timestamp,
    ) -> Result<(), CreateError> {
        let request = self
            .client
            .transact_write_items()
            .transact_items(self.put(session_item(session), now)?)
            .transact_items(self.put(pointer_item(pointer), now)?);
        call("TransactWriteItems", &self.random, || request.clone().send())
            .await?
            .map(|_| ())
            .map_err(|_| CreateError::Exists)
    }

    async fn session(&self, key: Digest, now: Timestamp) -> Result<Option<SessionRow>, StoreError> {
        let Some(mut item) = self.read(Kind::Session, key).await? else { return Ok(None) };
        let row = readable(Kind::Session, key, read_session(key, &mut item));
        Ok(row.filter(|row| now < row.expires_at))
    }

    async fn pointer(&self, key: Digest, now: Timestamp) -> Result<Option<PointerRow>, StoreError> {
        let Some(mut item) = self.read(Kind::Token, key).await? else { return Ok(None) };
        let row = readable(Kind::Token, key, read_pointer(key, &mut item));
        Ok(row.filter(|row| now < row.expires_at))
    }

    async fn slide(
        &self,
        key: Digest,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PARTITION_KEY, item::key(Kind::Session, key))
            .update_expression("SET used_at = :now, expires_at = :expires_at")
            .condition_expression(IS_THERE)
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":expires_at", seconds(expires_at));
        Ok(call("UpdateItem", &self.random, || request.clone().send()).await?.is_ok())
    }

    async fn end(&self, key: Digest, now: Timestamp) -> Result<bool, StoreError> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(PARTITION_KEY, item::key(Kind::Session, key))
            .return_values(ReturnValue::AllOld);
        let answer = call("DeleteItem", &self.random, || request.clone().send())
            .await?
            // An unconditional delete has no condition that could fail.
            .map_err(|error| unexpected("DeleteItem", &error))?;
        let was_live = answer.attributes.as_ref().map(|item| is_live(item, now));
        Ok(was_live.and_then(|live| readable(Kind::Session, key, live)).unwrap_or(false))
    }

    async fn claim(
        &self,
        mark: Digest,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let claimant = self.random.bytes();
        let request = self
            .client
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
}

/// Where, and nothing else: the client holds credentials.
impl fmt::Debug for DynamoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoStore").field("table", &self.table).finish_non_exhaustive()
    }
}

/// A row that cannot be read is as if it were not there (R97): nobody is let in by it, and its
/// owner logs in again. The log says so, for a whole table of them is an operator's mistake.
fn readable<T>(kind: Kind, digest: Digest, row: Result<T, Unreadable>) -> Option<T> {
    row.inspect_err(|Unreadable(attribute)| {
        tracing::warn!(event = "store.row_unreadable", row = %digest, %kind, attribute, "a row of the session table cannot be read");
    })
    .ok()
}

fn unexpected(operation: &'static str, _: &impl Error) -> StoreError {
    StoreError::Unavailable(Box::new(CallError::Malformed(operation)))
}
