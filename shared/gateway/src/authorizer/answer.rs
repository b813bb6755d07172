//! From a decision to what API Gateway takes for one.

use serde::Serialize;
use serde_json::{Map, Value, json};
use shared::guard::Principal;

use super::Form;

/// A decision in the form that the API takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Decision(Value);

impl Decision {
    /// Whether somebody is let in.
    pub fn allows(&self) -> bool {
        self.0["isAuthorized"] == true
            || self.0["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    }
}

impl Form {
    /// `principal` may go on, and the function behind is told who it is.
    ///
    /// A policy says so of the one method that was asked about. In a path a client may write `*` and
    /// `?`, which are wildcards in a policy: if the decision is cached, the path `/a/*` would open
    /// `/a/b`, which has rules of its own (R152). Such a request is refused.
    pub fn allow(&self, principal: &Principal) -> Decision {
        match self {
            Self::Simple => {
                Decision(json!({ "isAuthorized": true, "context": context(principal) }))
            }
            Self::Policy { method_arn } if is_literal(method_arn) => {
                let subject = principal.user.get("sub").and_then(Value::as_str).unwrap_or(NOBODY);
                policy(subject, "Allow", method_arn, &context(principal))
            }
            Self::Policy { .. } => {
                tracing::warn!(
                    event = "request.refused",
                    code = "wildcard_in_path",
                    error = "the path has characters that would be wildcards in a policy",
                    "the request was refused"
                );
                self.deny("wildcard_in_path")
            }
        }
    }

    /// Nobody is let in. `code` says why, to the API and not to the caller.
    pub fn deny(&self, code: &str) -> Decision {
        let context = Map::from_iter([("code".to_owned(), code.into())]);
        match self {
            Self::Simple => Decision(json!({ "isAuthorized": false, "context": context })),
            Self::Policy { method_arn } => policy(NOBODY, "Deny", &literal(method_arn), &context),
        }
    }
}

/// What the function behind is told of whoever asks: `sub`; `name`, `email` and `org_id` if the user
/// has them; `scope`, what was granted, with a space between two; `session`, the digest by which logs
/// name the session, which opens nothing.
///
/// All are texts but `person` and `email_verified`, which are there only where they are `true`: a REST
/// API makes texts of them, and to most languages the text `false` is as good as `true`.
pub fn context(principal: &Principal) -> Map<String, Value> {
    let claims = ["sub", "name", "email", "org_id"].into_iter();
    let mut context: Map<_, _> = claims
        .filter_map(|name| Some((name, principal.user.get(name)?.as_str()?)))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    if principal.user.get("email_verified") == Some(&Value::Bool(true)) {
        context.insert("email_verified".to_owned(), true.into());
    }
    if principal.is_person {
        context.insert("person".to_owned(), true.into());
    }
    context.insert("scope".to_owned(), principal.scopes.join(" ").into());
    if let Some(session) = &principal.session {
        context.insert("session".to_owned(), session.id.to_string().into());
    }
    context
}

/// Who a policy is about if nobody has proven to be anybody.
const NOBODY: &str = "nobody";

fn policy(subject: &str, effect: &str, resource: &str, context: &Map<String, Value>) -> Decision {
    Decision(json!({
        "principalId": subject,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                { "Action": "execute-api:Invoke", "Effect": effect, "Resource": resource },
            ],
        },
        "context": context,
    }))
}

/// Whether a policy takes `arn` for that one and for no other.
fn is_literal(arn: &str) -> bool {
    !arn.contains(['*', '?']) && !arn.contains("${")
}

/// `arn` with its wildcards made characters, as policies of this version write them: what is denied to
/// one path is denied to no other.
fn literal(arn: &str) -> String {
    if is_literal(arn) {
        return arn.to_owned();
    }
    let mut escaped = String::with_capacity(arn.len() + 8);
    for character in arn.chars() {
        match character {
            '*' | '?' | '$' => escaped.extend(['$', '{', character, '}']),
            other => escaped.push(other),
        }
    }
    escaped
}
