//! Compares the table permissions in `template.yaml` with what each function does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{LazyLock, Mutex, PoisonError},
};

use shared::store::table::RIGHTS;

use local::emulator::template::{Function, Statement};

/// The policies, and the actions that were used.
#[derive(Debug, Default)]
pub struct Permissions {
    needed: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

tokio::task_local! {
    /// The function that serves the current request.
    static SERVING: &'static Function;
}

static FUNCTIONS: LazyLock<Vec<Function>> =
    LazyLock::new(|| crate::template().deploy(&REQUIRED, &[]).functions());

/// Values for the template's parameters that have no default.
pub const REQUIRED: [(&str, &str); 3] =
    [("AuthHost", "tenant.eu.auth0.com"), ("ClientId", "client"), ("ClientSecret", "hunter2")];

impl Permissions {
    /// Awaits `handling`, which serves a request for `path`, with only the permissions of the
    /// function that the template routes it to.
    pub async fn hold<F: Future>(&self, path: &str, handling: F) -> F::Output {
        let route = format!("ANY {path}");
        let serving = |route: &str| {
            FUNCTIONS.iter().find(|function| function.routes.iter().any(|own| own == route))
        };
        let function = serving(&route).or_else(|| serving("$default"));
        SERVING.scope(function.expect("the template has a default route"), handling).await
    }

    /// Like [`Self::hold`], with the permissions of the function with this binary.
    pub async fn hold_as<F: Future>(&self, binary: &str, working: F) -> F::Output {
        let function = FUNCTIONS.iter().find(|function| function.binary == binary);
        SERVING.scope(function.expect("the template has that function"), working).await
    }

    /// Fails the test if the current function may not call `method` of the store. Calls outside of
    /// functions are allowed.
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

    /// The permissions that each function has used so far, by binary name.
    pub fn needed(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.needed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The permissions in the template of each function that has any, by binary name.
    pub fn allowed() -> BTreeMap<String, BTreeSet<String>> {
        let functions = FUNCTIONS.iter();
        let allowed =
            functions.map(|function| (function.binary.clone(), rights_in(&function.statements)));
        allowed.filter(|(_, actions)| !actions.is_empty()).collect()
    }
}

/// The rights that `method` of the store needs, one string each: the action, the prefix of the row's
/// key, and the attribute unless the right covers whole rows. `dynamodb:UpdateItem session# used_at`
///
/// # Panics
///
/// Panics if [`RIGHTS`] does not contain the method.
#[must_use]
pub fn rights_of(method: &str) -> BTreeSet<String> {
    let found = RIGHTS.iter().find(|(name, _)| *name == method);
    let (_, rights) = found.unwrap_or_else(|| panic!("RIGHTS does not contain {method}"));
    rights.iter().flat_map(|right| single(right.action, right.rows, right.attributes)).collect()
}

/// The rights that these statements grant on the table, in the same form.
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

/// Whether an ARN, in the format of [`template`](crate::template), is that of the table or of one of
/// its indexes.
#[must_use]
pub fn is_of_table(resource: &str) -> bool {
    resource == "SessionTable.Arn" || resource.starts_with("SessionTable.Arn/index/")
}
