//! The two writes of a refresh: the lease and the result.

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{TransactWriteItem, Update},
};

use super::{
    DynamoStore, IS_THERE,
    call::call,
    item::{
        self, PASSING_ATTRIBUTES, RowKind, bytes, number, pointer_item, refresh_attributes, seconds,
    },
};
use crate::{
    clock::Timestamp,
    crypto::secret::Digest,
    store::{Lease, RenewError, Renewal, StoreError, table::PARTITION_KEY},
};

impl DynamoStore {
    /// Law 9, as one conditional update. Repeated after a lost answer, it recognises its own lease.
    pub(super) async fn take_lease(
        &self,
        key: Digest,
        version: u64,
        lease: Lease,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let condition = format!(
            "{IS_THERE} AND refresh_version = :version \
             AND (attribute_not_exists(lease_owner) OR lease_until <= :now OR lease_owner = :owner)"
        );
        let request = self
            .update(RowKind::Session, key)
            .update_expression("SET lease_owner = :owner, lease_until = :until")
            .condition_expression(condition)
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":version", number(version))
            .expression_attribute_values(":owner", bytes(lease.owner))
            .expression_attribute_values(":until", seconds(lease.expires_at));
        Ok(call("UpdateItem", &self.random, || request.clone().send()).await?.is_ok())
    }

    /// Law 10, as one transaction. It updates the session's row instead of putting it, so it creates
    /// none, and keeps attributes of other versions (R97).
    pub(super) async fn write_renewal(
        &self,
        renewal: Renewal,
        now: Timestamp,
    ) -> Result<(), RenewError> {
        let Renewal { key, owner, ends_at, expires_at, cookie_key, sealed, refresh, pointer } =
            renewal;
        let leased_version = refresh.version.saturating_sub(1);
        let mut attributes = vec![
            ("used_at", seconds(now)),
            ("ends_at", seconds(ends_at)),
            ("expires_at", seconds(expires_at)),
            ("cookie_key", bytes(cookie_key)),
            ("sealed", bytes(sealed)),
        ];
        attributes.extend(refresh_attributes(refresh));
        let is_written = |name: &&str| attributes.iter().any(|(written, _)| written == name);
        let removed: Vec<_> =
            PASSING_ATTRIBUTES.into_iter().filter(|name| !is_written(name)).collect();
        let set: Vec<_> = attributes.iter().map(|(name, _)| format!("{name} = :{name}")).collect();
        let mut expression = format!("SET {}", set.join(", "));
        if !removed.is_empty() {
            expression = format!("{expression} REMOVE {}", removed.join(", "));
        }
        let mut update = Update::builder()
            .table_name(&self.table)
            .key(PARTITION_KEY, item::key(RowKind::Session, key))
            .update_expression(expression)
            .condition_expression(format!(
                "{IS_THERE} AND refresh_version = :leased_version AND lease_owner = :owner"
            ))
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":leased_version", number(leased_version))
            .expression_attribute_values(":owner", bytes(owner));
        for (name, value) in attributes {
            update = update.expression_attribute_values(format!(":{name}"), value);
        }
        let update = update.build().map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        let mut request = self
            .client()
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(update).build());
        if let Some(pointer) = pointer {
            request = request.transact_items(self.put(pointer_item(pointer), now)?);
        }
        call("TransactWriteItems", &self.random, || request.clone().send())
            .await?
            .map(|_| ())
            .map_err(|refused| why_not(&refused))
    }
}

/// The condition of the session is the first in the transaction, and has priority if both fail.
fn why_not(refused: &TransactWriteItemsError) -> RenewError {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = refused else {
        return RenewError::Lost;
    };
    let session = cancelled.cancellation_reasons().first().and_then(|reason| reason.code());
    if session == Some("ConditionalCheckFailed") {
        RenewError::Lost
    } else {
        RenewError::PointerExists
    }
}
