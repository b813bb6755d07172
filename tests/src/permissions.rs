//! What `template.yaml` allows each function to do with the table, held against what it does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{LazyLock, Mutex, PoisonError},
};

use shared::store::table::ACTIONS;

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
        let actions = ACTIONS.iter().find(|(name, ..)| *name == method);
        let (_, actions, rows) =
            actions.unwrap_or_else(|| panic!("{method} is not among the ACTIONS"));
        let allowed = allowed(function);
        for action in *actions {
            let anywhere = allowed.get(*action).map(|right| vec![right.clone()]);
            let there = || {
                let rights = rows.iter().map(|row| allowed.get(&right(action, row)).cloned());
                rights.collect::<Option<Vec<_>>>().filter(|rights| !rights.is_empty())
            };
            let rights = anywhere.or_else(there).unwrap_or_else(|| {
                panic!(
                    "{} calls {method}: template.yaml must allow it {action} on {rows:?}",
                    function.binary
                )
            });
            let mut needed = self.needed.lock().unwrap_or_else(PoisonError::into_inner);
            needed.entry(function.binary.clone()).or_default().extend(rights);
        }
    }

    /// What each function needed so far, by the names of binaries: `dynamodb:GetItem`, or with the
    /// beginning of a row's key where the template limits it, `dynamodb:GetItem session#`.
    pub fn needed(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.needed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the template allows each function that may do anything, by the names of binaries.
    pub fn allowed() -> BTreeMap<String, BTreeSet<String>> {
        let functions = FUNCTIONS.iter();
        let allowed = functions.map(|function| (function.binary.clone(), allowed(function)));
        allowed.filter(|(_, actions)| !actions.is_empty()).collect()
    }
}

fn allowed(function: &Function) -> BTreeSet<String> {
    let of_table = |resources: &[String]| resources.iter().all(|name| is_of_table(name));
    let statements = function.statements.iter();
    let statements = statements.filter(|statement| of_table(&statement.resources));
    let rights = |statement: &Statement| -> Vec<String> {
        let actions = statement.actions.iter();
        match &statement.leading_keys {
            None => actions.cloned().collect(),
            Some(rows) => {
                actions.flat_map(|action| rows.iter().map(|row| right(action, row))).collect()
            }
        }
    };
    statements.flat_map(rights).collect()
}

fn right(action: &str, row: &str) -> String {
    format!("{action} {row}")
}

/// Whether an ARN, as the template's reader writes it, is that of the table or of one of its indexes.
#[must_use]
pub fn is_of_table(resource: &str) -> bool {
    resource == "SessionTable.Arn" || resource.starts_with("SessionTable.Arn/index/")
}
