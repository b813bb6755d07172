//! What `template.yaml` allows each function to do with the table, held against what it does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{LazyLock, Mutex, PoisonError},
};

use shared::store::table::RIGHTS;

use crate::template::{Function, Statement, Template};

/// The policies, and which of their actions were needed.
#[derive(Debug, Default)]
pub struct Permissions {
    needed: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

tokio::task_local! {
    /// The function that serves the current request.
    static SERVING: &'static Function;
}

static FUNCTIONS: LazyLock<Vec<Function>> =
    LazyLock::new(|| Template::read().deploy(&REQUIRED, &[]).functions());

/// Values for the template's parameters that have no default.
pub const REQUIRED: [(&str, &str); 3] =
    [("AuthHost", "tenant.eu.auth0.com"), ("ClientId", "client"), ("ClientSecret", "hunter2")];

impl Permissions {
    /// Awaits `handling`, the serving of a request for `path`, with no more rights than those of the
    /// function that the template routes it to.
    pub async fn hold<F: Future>(&self, path: &str, handling: F) -> F::Output {
        let route = format!("ANY {path}");
        let serving = |route: &str| {
            FUNCTIONS.iter().find(|function| function.routes.iter().any(|own| own == route))
        };
        let function = serving(&route).or_else(|| serving("$default"));
        SERVING.scope(function.expect("the template has a default route"), handling).await
    }

    /// The same with the rights of the function with this binary.
    pub async fn hold_as<F: Future>(&self, binary: &str, working: F) -> F::Output {
        let function = FUNCTIONS.iter().find(|function| function.binary == binary);
        SERVING.scope(function.expect("the template has that function"), working).await
    }

    /// Fails the story if the function at work may not call `method` of the store. Whoever is no
    /// function may.
    pub fn demand(&self, method: &str) {
        let Ok(function) = SERVING.try_with(|function| *function) else { return };
        let rights = rights_of(method);
        let allowed = rights_in(&function.statements);
        for right in &rights {
            let binary = &function.binary;
            assert!(
                allowed.contains(right),
                "{binary} calls {method}: template.yaml lacks {right}"
            );
        }
        let mut needed = self.needed.lock().unwrap_or_else(PoisonError::into_inner);
        needed.entry(function.binary.clone()).or_default().extend(rights);
    }

    /// What each function needed so far, by the names of binaries.
    pub fn needed(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.needed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the template allows each function that may do anything, by the names of binaries.
    pub fn allowed() -> BTreeMap<String, BTreeSet<String>> {
        let functions = FUNCTIONS.iter();
        let allowed =
            functions.map(|function| (function.binary.clone(), rights_in(&function.statements)));
        allowed.filter(|(_, actions)| !actions.is_empty()).collect()
    }
}

/// What `method` of the store needs, each right by itself: the action, the beginning of a row's key, and
/// where the right is not one to whole rows an attribute. `dynamodb:UpdateItem session# used_at`
///
/// # Panics
///
/// If [`RIGHTS`] does not have it.
#[must_use]
pub fn rights_of(method: &str) -> BTreeSet<String> {
    let found = RIGHTS.iter().find(|(name, _)| *name == method);
    let (_, rights) = found.unwrap_or_else(|| panic!("{method} is not among the RIGHTS"));
    rights.iter().flat_map(|right| single(right.action, right.rows, right.attributes)).collect()
}

/// What these statements allow with the table, in the same form.
#[must_use]
pub fn rights_in(statements: &[Statement]) -> BTreeSet<String> {
    let of_table =
        |statement: &&Statement| statement.resources.iter().all(|name| is_of_table(name));
    let statements = statements.iter().filter(of_table);
    let rights = |statement: &Statement| {
        let (rows, attributes) = (statement.rows(), statement.attributes());
        let of_action = |action: &String| single(action, &rows, attributes);
        statement.actions.iter().flat_map(of_action).collect::<Vec<_>>()
    };
    statements.flat_map(rights).collect()
}

fn single(action: &str, rows: &[&str], attributes: &[impl AsRef<str>]) -> Vec<String> {
    let each = |row: &str| -> Vec<String> {
        let row = format!("{action} {row}").trim_end().to_owned();
        if attributes.is_empty() {
            return vec![row];
        }
        attributes.iter().map(|attribute| format!("{row} {}", attribute.as_ref())).collect()
    };
    if rows.is_empty() { each("") } else { rows.iter().flat_map(|row| each(row)).collect() }
}

/// Whether an ARN, as the template's reader writes it, is that of the table or of one of its indexes.
#[must_use]
pub fn is_of_table(resource: &str) -> bool {
    resource == "SessionTable.Arn" || resource.starts_with("SessionTable.Arn/index/")
}
