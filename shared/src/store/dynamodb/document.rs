//! The provider's documents: read together, fetched by one process, overwritten only by later ones.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{KeysAndAttributes, ReturnValuesOnConditionCheckFailure as OnFailure},
};
use tokio::time;

use super::{
    DynamoStore,
    call::call,
    item::{
        Item, RowKind, bytes, key, read_document, read_key, read_lease_end, read_pointer, seconds,
    },
    readable, unexpected,
};
use crate::{
    aws::{CALL_TIMEOUT, CallError},
    clock::Timestamp,
    crypto::secret::Digest,
    store::{CLOCK_TOLERANCE, DocumentRow, DocumentStore, Found, StoreError, table::PARTITION_KEY},
};

/// The condition for writing a document: none exists that was fetched later (law 12). For a row
/// without a document, or with attributes of another type, the comparison is false, so such a row does
/// not prevent the write (R97).
const IS_NO_LATER: &str = "NOT (fetched_at > :fetched_at AND fetched_at <= :ahead \
     AND expires_at > :now)";

/// The condition for taking the right to fetch: it is free, has expired, or expires more than
/// [`CLOCK_TOLERANCE`] ahead of `now` (law 11).
const IS_FREE_TO_FETCH: &str = "NOT (lease_until > :now AND lease_until <= :ahead)";

/// How long to wait before rows that DynamoDB left out are requested again.
const UNPROCESSED_WAIT: Duration = Duration::from_millis(20);

#[async_trait]
impl DocumentStore for DynamoStore {
    /// Reads with one `BatchGetItem`, or more if DynamoDB leaves rows out, all within the timeout of
    /// one call.
    async fn documents(
        &self,
        keys: &[Digest],
        pointer: Option<Digest>,
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        const OPERATION: &str = "BatchGetItem";
        let items = time::timeout(CALL_TIMEOUT, self.read_together(OPERATION, keys, pointer));
        let items = items
            .await
            .map_err(|_| StoreError::Unavailable(CallError::TimedOut(OPERATION).into()))??;
        let mut found = Found::default();
        for mut item in items {
            if let Some(key) = read_key(RowKind::Provider, &item) {
                let row = readable(RowKind::Provider, key, read_document(key, &mut item));
                found.documents.extend(row.flatten().filter(|row| now < row.expires_at));
            } else if let Some(key) = read_key(RowKind::Token, &item) {
                let row = readable(RowKind::Token, key, read_pointer(key, &mut item));
                found.pointer = row.filter(|row| now < row.expires_at);
            }
        }
        Ok(found)
    }

    /// If the row is missing, creates one that expires with the lease, so that DynamoDB deletes it if
    /// no document is written.
    async fn lease_document(
        &self,
        key: Digest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let request = self
            .update(RowKind::Provider, key)
            .update_expression(
                "SET lease_until = :until, expires_at = if_not_exists(expires_at, :until)",
            )
            .condition_expression(IS_FREE_TO_FETCH)
            .expression_attribute_values(":until", seconds(until))
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":ahead", seconds(now + CLOCK_TOLERANCE))
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        Ok(match call("UpdateItem", &self.random, || request.clone().send()).await? {
            Ok(_) => None,
            Err(UpdateItemError::ConditionalCheckFailedException(held)) => {
                // The condition has compared it, so it can be read.
                Some(held.item().and_then(read_lease_end).unwrap_or(until))
            }
            Err(_) => Some(until),
        })
    }

    async fn write_document(
        &self,
        document: DocumentRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let request = self
            .update(RowKind::Provider, document.key)
            .update_expression(
                "SET document = :document, fetched_at = :fetched_at, expires_at = :expires_at \
                 REMOVE lease_until",
            )
            .condition_expression(IS_NO_LATER)
            .expression_attribute_values(":document", bytes(document.text))
            .expression_attribute_values(":fetched_at", seconds(document.fetched_at))
            .expression_attribute_values(":expires_at", seconds(document.expires_at))
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":ahead", seconds(now + CLOCK_TOLERANCE));
        // If the condition fails, a later document exists.
        let _ = call("UpdateItem", &self.random, || request.clone().send()).await?;
        Ok(())
    }
}

impl DynamoStore {
    async fn read_together(
        &self,
        operation: &'static str,
        keys: &[Digest],
        pointer: Option<Digest>,
    ) -> Result<Vec<Item>, StoreError> {
        let keys = keys.iter().map(|digest| key(RowKind::Provider, *digest));
        let keys = keys.chain(pointer.map(|digest| key(RowKind::Token, digest)));
        let keys = keys.map(|key| HashMap::from([(PARTITION_KEY.to_owned(), key)]));
        let keys: Vec<_> = keys.collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let asked = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let asked = asked.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        let mut asked = HashMap::from([(self.table.clone(), asked)]);
        let mut items = Vec::new();
        loop {
            let request = self.client().batch_get_item().set_request_items(Some(asked));
            let answer = call(operation, &self.random, || request.clone().send())
                .await?
                // A read has no condition that could fail.
                .map_err(|error| unexpected(operation, &error))?;
            items.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
            asked = answer.unprocessed_keys.unwrap_or_default();
            if asked.is_empty() {
                return Ok(items);
            }
            time::sleep(UNPROCESSED_WAIT).await;
        }
    }
}
