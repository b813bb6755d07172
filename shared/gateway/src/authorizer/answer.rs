//! Converts a decision to the form that API Gateway expects.

use serde::Serialize;
use serde_json::{Map, Value, json};
use shared::{
    guard::Principal,
    jwt::is_email_verified,
    names::{ErrorCode, LogEvent},
};

use super::Form;

/// A decision in the form of the API.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Decision(Value);

impl Decision {
    /// Whether access is allowed.
    pub fn allows(&self) -> bool {
        self.0["isAuthorized"] == true
            || self.0["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    }
}

impl Form {
    /// Allows `principal`, and passes their identity to the function behind the authorizer.
    ///
    /// A policy allows only the requested method. A client may put `*` and `?` into a path, which are
    /// wildcards in a policy. If the decision were cached, a policy for `/a/*` would also allow `/a/b`,
    /// although other rules apply there (R152). Such a request is refused.
    ///
    /// A context that is too large is refused, because a function must not miss a role that it would
    /// deny access for.
    pub fn allow(&self, principal: &Principal, claims: &[String]) -> Decision {
        let context = context(principal, claims);
        match self {
            _ if length(&context) > MAX_CONTEXT => {
                tracing::warn!(
                    event = LogEvent::RequestRefused.name(),
                    code = ErrorCode::ContextTooLarge.name(),
                    error = "the claims for the function are too long",
                    hint = "shorten CONTEXT_CLAIMS, or let the token name fewer roles",
                    "the request was refused"
                );
                self.deny(ErrorCode::ContextTooLarge)
            }
            Self::Simple => Decision(json!({ "isAuthorized": true, "context": context })),
            Self::Policy { method_arn } if is_literal(method_arn) => {
                let subject =
                    principal.user.get("sub").and_then(Value::as_str).unwrap_or(UNAUTHENTICATED);
                policy(subject, "Allow", method_arn, &context)
            }
            Self::Policy { .. } => {
                tracing::warn!(
                    event = LogEvent::RequestRefused.name(),
                    code = ErrorCode::WildcardInPath.name(),
                    error = "the path has characters that would be wildcards in a policy",
                    "the request was refused"
                );
                self.deny(ErrorCode::WildcardInPath)
            }
        }
    }

    /// Denies access. `code` states the reason to the API, not to the caller.
    pub fn deny(&self, code: ErrorCode) -> Decision {
        let context = Map::from_iter([("code".to_owned(), code.name().into())]);
        match self {
            Self::Simple => Decision(json!({ "isAuthorized": false, "context": context })),
            Self::Policy { method_arn } => {
                policy(UNAUTHENTICATED, "Deny", &literal(method_arn), &context)
            }
        }
    }
}

/// The user's identity for the function behind the authorizer: `sub`; `name`, `email` and `org_id` if
/// the user has them; `scope`, the granted scopes separated by spaces; `session`, the digest that
/// identifies the session in logs and gives no access; and those of `claims` that the caller has, as
/// JSON unless they are texts.
///
/// All values are texts except `person` and `email_verified`, which are present only if `true`. A REST
/// API converts them to texts, and many languages treat the text `false` as true.
pub fn context(principal: &Principal, claims: &[String]) -> Map<String, Value> {
    let usual = ["sub", "name", "email", "org_id"].into_iter();
    let mut context: Map<_, _> = usual
        .filter_map(|name| Some((name, principal.user.get(name)?.as_str()?)))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    if is_email_verified(&principal.user) {
        context.insert("email_verified".to_owned(), true.into());
    }
    if principal.is_person {
        context.insert("person".to_owned(), true.into());
    }
    context.insert("scope".to_owned(), principal.scopes.join(" ").into());
    if let Some(session) = &principal.session {
        context.insert("session".to_owned(), session.id.to_string().into());
    }
    for name in claims {
        let text = principal.claim(name).map(|claim| match claim {
            Value::String(text) => text.clone(),
            claim => claim.to_string(),
        });
        context.extend(text.map(|text| (name.clone(), text.into())));
    }
    context
}

/// The fields that [`context`] has without further claims.
pub const CONTEXT_FIELDS: [&str; 8] =
    ["email", "email_verified", "name", "org_id", "person", "scope", "session", "sub"];

/// The largest context in bytes, as JSON. It leaves room for the rest of the decision within 10 KB.
const MAX_CONTEXT: usize = 8 * 1024;

fn length(context: &Map<String, Value>) -> usize {
    let escaped = |text: &str| Value::from(text).to_string().len();
    context.iter().map(|(name, value)| escaped(name) + value.to_string().len() + 2).sum()
}

/// The principal of a policy for a caller who is not authenticated.
// allowed word: nobody, because a policy needs a principal and log readers may search for this one.
const UNAUTHENTICATED: &str = "nobody";

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

/// Whether `arn` in a policy matches only itself.
fn is_literal(arn: &str) -> bool {
    !arn.contains(['*', '?']) && !arn.contains("${")
}

/// Escapes the wildcards of `arn` for policies of this version, so that denying one path denies no
/// other.
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
