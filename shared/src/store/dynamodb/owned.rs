//! The sessions of an owner: found with an index, ended together.

use aws_sdk_dynamodb::types::{Delete, TransactWriteItem};

use super::{
    DynamoStore,
    call::call,
    item::{RowKind, digest, key, read_key, seconds},
    unexpected,
};
use crate::{
    crypto::secret::Digest,
    store::{
        Selection, StoreError,
        table::{
            BY_PROVIDER_SESSION, BY_SUBJECT, ISSUED_AT, PARTITION_KEY, PROVIDER_SESSION, SUBJECT,
        },
    },
};

/// The maximum number of rows in one transaction of DynamoDB.
const ROWS_PER_TRANSACTION: usize = 100;

impl DynamoStore {
    /// The keys of the selected sessions, read page by page.
    pub(super) async fn query(&self, selection: Selection) -> Result<Vec<Digest>, StoreError> {
        let request = self.client().query().table_name(&self.table);
        let request = match selection {
            Selection::Subject { subject, issued_before } => request
                .index_name(BY_SUBJECT)
                .key_condition_expression("#owner = :owner AND #within < :within")
                .expression_attribute_names("#owner", SUBJECT)
                .expression_attribute_values(":owner", digest(subject))
                .expression_attribute_names("#within", ISSUED_AT)
                .expression_attribute_values(":within", seconds(issued_before)),
            Selection::ProviderSession { provider_session, subject } => {
                let request = request
                    .index_name(BY_PROVIDER_SESSION)
                    .expression_attribute_names("#owner", PROVIDER_SESSION)
                    .expression_attribute_values(":owner", digest(provider_session));
                match subject {
                    Some(subject) => request
                        .key_condition_expression("#owner = :owner AND #within = :within")
                        .expression_attribute_names("#within", SUBJECT)
                        .expression_attribute_values(":within", digest(subject)),
                    None => request.key_condition_expression("#owner = :owner"),
                }
            }
        };
        let mut keys = Vec::new();
        let mut start = None;
        loop {
            let page = request.clone().set_exclusive_start_key(start);
            let answer = call("Query", &self.random, || page.clone().send())
                .await?
                // A query has no condition that could fail.
                .map_err(|error| unexpected("Query", &error))?;
            keys.extend(answer.items().iter().filter_map(|item| read_key(RowKind::Session, item)));
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(keys);
            }
        }
    }

    /// Deletes in transactions and not in batches: a batch may leave some rows out, and the permission
    /// to write batches also allows puts.
    pub(super) async fn delete_all(&self, keys: &[Digest]) -> Result<(), StoreError> {
        for keys in keys.chunks(ROWS_PER_TRANSACTION) {
            let deletes = keys.iter().map(|key| self.delete(*key));
            let request = self
                .client()
                .transact_write_items()
                .set_transact_items(Some(deletes.collect::<Result<_, _>>()?));
            call("TransactWriteItems", &self.random, || request.clone().send())
                .await?
                // Unconditional deletes have no condition that could fail.
                .map_err(|error| unexpected("TransactWriteItems", &error))?;
        }
        Ok(())
    }

    fn delete(&self, session: Digest) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .key(PARTITION_KEY, key(RowKind::Session, session))
            .build()
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}
