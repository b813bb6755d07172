//! The rights of each function on the table: the template's policies, evaluated as IAM does.

use std::{collections::BTreeSet, error::Error, sync::Arc};

use local::emulator::template::{Function, Statement};
use serde_json::{Value, json};
use shared::{
    crypto::secret::Digest,
    store::{
        DocumentRow, Lease, Selection, Store, Tombstone,
        table::{self, RIGHTS},
    },
    testing::contract::{
        NOW, after, pointer,
        renewal::{owner_of, renewable, renewal},
        session,
    },
};
use tests::{
    iam::Action,
    permissions::{REQUIRED, rights_in, rights_of},
    table::guarded,
};

fn functions() -> Vec<Function> {
    let functions = tests::template().deploy(&REQUIRED, &[]).functions();
    functions.into_iter().filter(|function| !function.statements.is_empty()).collect()
}

fn boundary() -> Vec<Statement> {
    tests::template().deploy(&REQUIRED, &[]).managed_policy("FunctionBoundary")
}

fn policy_of(binary: &str) -> Vec<Statement> {
    functions().into_iter().find(|function| function.binary == binary).unwrap().statements
}

/// The rights that these actions need, in the format of `rights_of`.
fn asked(actions: &[Action]) -> BTreeSet<String> {
    let rights = actions.iter().flat_map(|action| {
        let values = |key| action.context.get(key).cloned().unwrap_or_default();
        let rows = values("dynamodb:LeadingKeys");
        let mut rows: Vec<_> =
            rows.iter().filter_map(|key| key.split_inclusive('#').next()).collect();
        if rows.is_empty() {
            rows.push("");
        }
        // Rights on single attributes exist only for updates of sessions.
        let is_part = action.name == "dynamodb:UpdateItem" && rows == ["session#"];
        let attributes = if is_part { values("dynamodb:Attributes") } else { vec![String::new()] };
        let right = |row: &str, attribute: &str| {
            format!("{} {row} {attribute}", action.name).trim_end().to_owned()
        };
        let each = rows.iter().flat_map(|row| attributes.iter().map(|name| right(row, name)));
        each.collect::<Vec<_>>()
    });
    rights.collect()
}

/// Calls `method` of `store`, in a table with the rows that the call needs.
async fn call(store: &dyn Store, method: &str) -> Result<(), Box<dyn Error>> {
    let (one, document) = (Digest::of("one"), Digest::of("keys"));
    let lease = Lease { owner: owner_of("first"), expires_at: after(70) };
    let row = DocumentRow {
        key: document,
        text: b"{}".to_vec(),
        fetched_at: NOW,
        expires_at: after(100),
    };
    let tombstone =
        Tombstone { owner: Digest::of("grace"), issued_before: NOW, expires_at: after(100) };
    match method {
        "claim" => drop(store.claim(one, after(1), NOW).await?),
        "create" => store.create(session("new"), pointer("new token", "new"), NOW).await?,
        "documents" => drop(store.documents(&[document], None, NOW).await?),
        "documents with a pointer" => drop(store.documents(&[document], Some(one), NOW).await?),
        "end" => drop(store.end(one, NOW).await?),
        "end_all" => store.end_all(&[one], NOW).await?,
        "lease" => assert!(store.lease(one, 0, lease, after(50)).await?),
        "lease_document" => drop(store.lease_document(document, after(5), NOW).await?),
        "mark_ended" => store.mark_ended(tombstone, NOW).await?,
        "pointer" => drop(store.pointer(Digest::of("token"), NOW).await?),
        "renew" => store.renew(renewal("one", "first", "token", "newer"), after(50)).await?,
        "session" => drop(store.session(one, NOW).await?),
        "sessions_of" => {
            drop(store.sessions_of(Selection::of_subject(Digest::of("ada")), NOW).await?);
        }
        "slide" => assert!(store.slide(one, after(90), NOW).await?),
        "write_document" => store.write_document(row, NOW).await?,
        other => unreachable!("call {other} here"),
    }
    Ok(())
}

/// Creates a session that can be renewed, and its lease for `renew`.
async fn prepare(store: &Arc<dyn Store>, method: &str) {
    store.create(renewable("one", "token"), pointer("token", "one"), NOW).await.unwrap();
    if method == "renew" {
        call(&**store, "lease").await.unwrap();
    }
}

/// R181, R205: the policies are compared with `RIGHTS`. This test compares `RIGHTS` with the requests
/// that the store sends.
#[tokio::test]
async fn r205_each_method_of_the_store_needs_exactly_the_rights_listed_for_it() {
    for (method, _) in RIGHTS {
        let (store, table, owner) = guarded(vec![]).await;
        prepare(&owner, method).await;
        call(&*store, method).await.unwrap();
        assert_eq!(asked(&table.take_asked()), rights_of(method), "{method}");
    }
}

/// A call of a function is allowed exactly if its code needs the call. It is denied if any part of the
/// needed right is missing.
#[tokio::test]
async fn r205_each_function_may_call_exactly_what_it_needs() {
    for function in functions() {
        let rights = rights_in(&function.statements);
        for (method, _) in RIGHTS {
            let is_needed = rights_of(method).is_subset(&rights);
            let policies = vec![function.statements.clone(), boundary()];
            let (store, _, owner) = guarded(policies).await;
            prepare(&owner, method).await;
            let called = call(&*store, method).await;
            assert_eq!(called.is_ok(), is_needed, "{} {method}: {called:?}", function.binary);
            let Err(error) = called else { continue };
            let error = format!("{error:?}");
            assert!(error.contains("AccessDeniedException"), "{method}: {error}");
        }
    }
}

/// Users copy this function. It can create, change and end nothing, except for the time of a session's
/// last use.
#[test]
fn r205_a_function_made_from_protected_can_only_update_a_sessions_last_use() {
    let rights = rights_in(&policy_of("protected"));
    let is_write = |right: &&String| !right.contains("GetItem");
    let writes: Vec<_> = rights.iter().filter(is_write).map(String::as_str).collect();
    let slide: Vec<_> = [table::EXPIRES_AT, table::PARTITION_KEY, "used_at"]
        .map(|attribute| format!("dynamodb:UpdateItem session# {attribute}"))
        .into();
    assert_eq!(writes, slide);

    let key = |kind: &str| json!({ "pk": { "S": format!("{kind}#digest") } });
    let update =
        |kind: &str, expression: &str| json!({ "Key": key(kind), "UpdateExpression": expression });
    let slide = update("session", "SET used_at = :now, expires_at = :then");
    let with = |name: &str, value: Value| {
        let mut request = slide.clone();
        request[name] = value;
        request
    };
    let mut named = update("session", "SET #name = :mine");
    named["ExpressionAttributeNames"] = json!({ "#name": "sealed" });
    let may = |operation: &str, request: &Value| {
        let statements = policy_of("protected");
        Action::of(operation, request).iter().all(|action| action.is_allowed(&statements))
    };
    assert!(may("UpdateItem", &slide));
    let batch = |kinds: &[&str]| {
        let keys: Vec<_> = kinds.iter().map(|kind| key(kind)).collect();
        json!({ "RequestItems": { "sessions": { "Keys": keys } } })
    };
    assert!(may("BatchGetItem", &batch(&["provider", "token"])));
    for (operation, request) in [
        // Contents, owner and end of a session, named directly and by alias.
        ("UpdateItem", update("session", "SET sealed = :mine, cookie_key = :mine")),
        ("UpdateItem", update("session", "SET ends_at = :never")),
        ("UpdateItem", update("session", "REMOVE subject")),
        ("UpdateItem", named),
        ("UpdateItem", with("ConditionExpression", json!("sealed = :guess"))),
        ("UpdateItem", with("ReturnValues", json!("ALL_NEW"))),
        ("PutItem", json!({ "Item": key("session") })),
        ("DeleteItem", json!({ "Key": key("session") })),
        // Other rows.
        ("UpdateItem", update("provider", "SET used_at = :now, expires_at = :then")),
        ("UpdateItem", update("token", "SET used_at = :now")),
        ("UpdateItem", update("ended", "SET expires_at = :now")),
        ("PutItem", json!({ "Item": key("provider") })),
        ("PutItem", json!({ "Item": key("ended") })),
        ("PutItem", json!({ "Item": key("once") })),
        // One allowed part does not allow a transaction, and one allowed key does not allow a batch.
        (
            "TransactWriteItems",
            json!({ "TransactItems": [{ "Update": slide }, { "Put": { "Item": key("ended") } }] }),
        ),
        ("BatchGetItem", batch(&["provider", "session"])),
        // `ForAllValues` is true if there are no values, so a request without keys must not match.
        ("GetItem", json!({})),
        ("BatchGetItem", batch(&[])),
        ("UpdateItem", json!({})),
        ("Query", json!({ "IndexName": "by_subject" })),
        ("Scan", json!({})),
        ("BatchWriteItem", batch(&["session"])),
    ] {
        assert!(!may(operation, &request), "{operation} {request}");
    }
}

/// Each action of each role names its rows, or an index that contains only keys of sessions.
#[test]
fn r205_no_policy_matches_a_call_without_a_key() {
    let functions = functions();
    let policies = functions.iter().map(|function| function.statements.clone());
    for policy in policies.chain([boundary()]) {
        for right in rights_in(&policy) {
            let name = right.split(' ').next().unwrap().to_owned();
            let resource = "SessionTable.Arn".to_owned();
            let action = Action { name, resource, context: Default::default() };
            assert!(!action.is_allowed(&policy), "{right}");
        }
    }
}
