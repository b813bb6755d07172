//! `ROUTE_RULES`: what each route requires.

use std::collections::BTreeMap;

use http::Method;
use percent_encoding::percent_decode_str;

use super::{Principal, Refusal, Rules};
use crate::{
    clock::Timestamp,
    jwt::{self, StepUp},
    settings::{self, Faulty, Settings},
};

/// The routes that may be called, and what each of them requires.
///
/// ```
/// # use shared::guard::RouteRules;
/// let routes = "GET:/reports=read:reports;\
///     ANY:/admin/{proxy+}=audit,https://example.com/roles=admin,person=true;\
///     POST:/payments=amr=mfa,max_age=5m;\
///     GET:/me=";
/// assert!(routes.parse::<RouteRules>().is_ok());
/// ```
///
/// The form has no space, no quote and no backslash, so it survives `--parameter-overrides`. A word
/// without `=` is a scope. `person=true` requires a person; `acr`, `amr` and `max_age` require how and
/// when the user authenticated. Each other word is a claim with its value; what would end the word is
/// percent-encoded, such as `%20` for a space.
///
/// A route is written as the API defines it, including path variables; `$default` is a route too. The
/// lookup uses the route that the gateway matched, never the path of the request. So there is no second
/// path matching that could differ from the gateway's. For one path, an entry with the request's method
/// has precedence over an entry with `ANY`.
///
/// **A route that is not listed is denied.** If it required nothing instead, a typing error in a path
/// or method would silently open a route that should be guarded. The same would happen to a route that
/// is added to the API and forgotten here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouteRules(BTreeMap<Key, RouteRule>);

/// What one route requires.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RouteRule {
    scopes: Vec<String>,
    claims: Vec<(String, String)>,
    person: bool,
    step_up: StepUp,
}

/// A route's path and method. No method means `ANY`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Key {
    path: String,
    method: Option<String>,
}

/// An invalid entry, counted from 1. The message does not repeat its text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be entries such as `{example}`, separated by semicolons: entry {entry} {fault}")]
pub struct InvalidRouteRules {
    example: &'static str,
    entry: usize,
    fault: &'static str,
}

impl RouteRules {
    /// Reads `ROUTE_RULES`, or the older `ROUTE_SCOPES`. `None`: neither is set.
    ///
    /// # Errors
    ///
    /// If a variable is invalid, or both are set.
    pub fn from_settings(settings: &mut Settings) -> Result<Option<Self>, Faulty> {
        let rules = settings.optional("ROUTE_RULES", str::parse);
        let scopes = settings.optional("ROUTE_SCOPES", Self::of_scopes);
        match (rules?, scopes?) {
            (Some(_), Some(_)) => {
                settings
                    .fault("ROUTE_SCOPES", "must not be set beside ROUTE_RULES: move its entries");
                Err(Faulty)
            }
            (rules, scopes) => Ok(rules.or(scopes)),
        }
    }

    /// What a request with `method` must meet on the route with the path `resource`.
    ///
    /// # Errors
    ///
    /// When the route is not listed.
    pub fn of(&self, method: &Method, resource: &str) -> Result<&RouteRule, Refusal> {
        let key = |method: Option<&Method>| Key {
            path: resource.to_owned(),
            method: method.map(|method| method.as_str().to_owned()),
        };
        let rule = self.0.get(&key(Some(method))).or_else(|| self.0.get(&key(None)));
        rule.ok_or(Refusal::RouteNotListed)
    }

    /// What a request with `method` must meet beside the own rules of the Rust function at `path`.
    /// `None`: no entry has this path, so only its own rules apply.
    ///
    /// # Errors
    ///
    /// When the entries of this path do not include the method.
    pub fn of_function(&self, method: &Method, path: &str) -> Result<Option<&RouteRule>, Refusal> {
        if self.0.keys().any(|key| key.path == path) {
            self.of(method, path).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The route with this name, such as `GET:/reports/{id}`.
    pub fn named(&self, name: &str) -> Option<&RouteRule> {
        self.0.get(&Key::parse(name).ok()?)
    }

    /// The name of the route that decides about `method` and `path`, if another login can help to meet
    /// what it requires.
    pub fn name_for_login(&self, method: &Method, path: &str) -> Option<String> {
        let named = |method: Option<&Method>| {
            let name = format!("{}:{path}", method.map_or("ANY", Method::as_str));
            self.named(&name).map(|rule| (name, rule))
        };
        let (name, rule) = named(Some(method)).or_else(|| named(None))?;
        (!rule.scopes.is_empty() || !rule.step_up.is_empty()).then_some(name)
    }

    /// The scopes that any route requires.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.values().flat_map(RouteRule::scopes).map(String::as_str)
    }

    /// The form of `ROUTE_SCOPES`, where each word is a scope: `GET /reports/{id} = read:reports`.
    fn of_scopes(text: &str) -> Result<Self, InvalidRouteRules> {
        Self::parse(text, "GET /reports/{id} = read:reports", |words| {
            let scopes = words.split_whitespace().map(scope).collect::<Result<_, _>>()?;
            Ok(RouteRule { scopes, ..RouteRule::default() })
        })
    }

    fn parse(
        text: &str,
        example: &'static str,
        rule: impl Fn(&str) -> Result<RouteRule, &'static str>,
    ) -> Result<Self, InvalidRouteRules> {
        let mut routes = BTreeMap::new();
        let text = text.trim();
        let entries = text.strip_suffix(';').unwrap_or(text).split(';');
        for (index, entry) in entries.enumerate() {
            let invalid = |fault| InvalidRouteRules { example, entry: index + 1, fault };
            let (route, words) = entry.split_once('=').ok_or(invalid("has no `=`"))?;
            let key = Key::parse(route.trim()).map_err(invalid)?;
            if routes.insert(key, rule(words).map_err(invalid)?).is_some() {
                return Err(invalid("repeats an earlier route"));
            }
        }
        Ok(Self(routes))
    }
}

impl std::str::FromStr for RouteRules {
    type Err = InvalidRouteRules;

    fn from_str(text: &str) -> Result<Self, InvalidRouteRules> {
        Self::parse(text, "GET:/reports/{id}=read:reports", RouteRule::parse)
    }
}

impl RouteRule {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut rule = Self::default();
        let words = text.split(|character: char| character == ',' || character.is_whitespace());
        for word in words.filter(|word| !word.is_empty()) {
            match word.split_once('=') {
                None => rule.scopes.push(scope(word)?),
                Some(("person", value)) => {
                    if value != "true" {
                        return Err("has another value of `person` than `true`");
                    }
                    rule.person = true;
                }
                Some(("acr", value)) => rule.step_up.acr.push(method(value)?),
                Some(("amr", value)) => rule.step_up.amr.push(method(value)?),
                Some(("max_age", value)) => {
                    let max_age = settings::duration(value).ok_or("has an invalid `max_age`")?;
                    rule.step_up.max_age = Some(max_age);
                }
                Some((name, value)) => rule.claims.push((decoded(name)?, decoded(value)?)),
            }
        }
        Ok(rule)
    }

    /// Checks this rule for a caller that the guard has authenticated.
    ///
    /// # Errors
    ///
    /// With the first requirement that `principal` does not meet.
    pub fn check(&self, principal: &Principal, now: Timestamp) -> Result<(), Refusal> {
        let claims = self.claims.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let rules = Rules {
            scopes: &texts(&self.scopes),
            claims: &claims.collect::<Vec<_>>(),
            person: self.person,
            max_age: self.step_up.max_age,
            amr: &texts(&self.step_up.amr),
            acr: &texts(&self.step_up.acr),
        };
        rules.check(principal, now)
    }

    /// The scopes that it requires.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// What it requires of the user's authentication.
    pub const fn step_up(&self) -> &StepUp {
        &self.step_up
    }
}

fn texts(owned: &[String]) -> Vec<&str> {
    owned.iter().map(String::as_str).collect()
}

fn scope(word: &str) -> Result<String, &'static str> {
    if jwt::is_scope(word) { Ok(word.to_owned()) } else { Err("has an invalid scope") }
}

/// A class or method of authentication. It is safe inside the quotes of a challenge.
fn method(word: &str) -> Result<String, &'static str> {
    if jwt::is_scope(word) { Ok(word.to_owned()) } else { Err("has an invalid `acr` or `amr`") }
}

/// The name or value of a claim.
fn decoded(text: &str) -> Result<String, &'static str> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| "has an invalid claim")?;
    if decoded.is_empty() { Err("has an invalid claim") } else { Ok(decoded.into_owned()) }
}

impl Key {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "$default" {
            return Ok(Self { path: text.to_owned(), method: None });
        }
        let (method, path) = text.split_once([' ', ':']).ok_or("has no method and path")?;
        let path = path.trim_start();
        if method != "ANY" && !METHODS.contains(&method) {
            return Err("has no valid method in capital letters");
        }
        if !is_path(path) {
            return Err("has no valid route path");
        }
        let method = Some(method).filter(|method| *method != "ANY").map(str::to_owned);
        Ok(Self { path: path.to_owned(), method })
    }
}

/// The methods that a route of API Gateway may have, besides `ANY`.
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Whether `path` is `/` followed by segments. Each segment is literal text or a `{variable}`; the last
/// one may be a `{variable+}`.
fn is_path(path: &str) -> bool {
    let Some(segments) = path.strip_prefix('/') else { return false };
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        let variable = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let (name, is_greedy) = match variable {
            Some(name) => name.strip_suffix('+').map_or((name, false), |name| (name, true)),
            None => (segment, false),
        };
        let is_last = segments.peek().is_none();
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"{}*?#%\\".contains(&byte);
        if !name.bytes().all(is_plain)
            || name.is_empty() && (variable.is_some() || !is_last)
            || is_greedy && !is_last
        {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(text: &str) -> RouteRules {
        text.parse().unwrap()
    }

    fn scopes<'a>(routes: &'a RouteRules, method: &Method, resource: &str) -> Option<Vec<&'a str>> {
        routes.of(method, resource).ok().map(|rule| texts(&rule.scopes))
    }

    fn fault(variable: &'static str, text: &str) -> String {
        let mut settings = Settings::from_values([(variable, text)]);
        assert_eq!(RouteRules::from_settings(&mut settings), Err(Faulty), "{text}");
        let message = settings.finish().unwrap_err().to_string();
        let (_, fault) = message.split_once("separated by semicolons: ").unwrap();
        fault.to_owned()
    }

    #[test]
    fn a_route_requires_the_scopes_of_its_entry() {
        let text = "GET /api/hello = read:hello;ANY /api/admin/{proxy+}=admin  audit ; GET / = ; $default = x=y;";
        let routes = RouteRules::of_scopes(text).unwrap();
        let of = |method: &Method, resource| scopes(&routes, method, resource);
        assert_eq!(of(&Method::GET, "/api/hello"), Some(vec!["read:hello"]));
        assert_eq!(of(&Method::DELETE, "/api/admin/{proxy+}"), Some(vec!["admin", "audit"]));
        assert_eq!(of(&Method::GET, "/"), Some(vec![]));
        assert_eq!(of(&Method::POST, "$default"), Some(vec!["x=y"]));
    }

    #[test]
    fn a_route_requires_the_scopes_claims_and_person_of_its_entry() {
        let routes = routes(
            "GET:/a=read:a,write:a;ANY:/{proxy+}=https://example.com/roles=Billing%20Admin,level=3,person=true;GET:/b=",
        );
        let rule = routes.of(&Method::GET, "/a").unwrap();
        assert_eq!(rule.scopes, ["read:a", "write:a"]);
        let claims = [("https://example.com/roles", "Billing Admin"), ("level", "3")];
        let claims = claims.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let expected = RouteRule { claims: claims.into(), person: true, ..RouteRule::default() };
        assert_eq!(routes.of(&Method::PUT, "/{proxy+}").unwrap(), &expected);
        assert_eq!(routes.of(&Method::GET, "/b").unwrap(), &RouteRule::default());
    }

    /// The two variables describe the same routes.
    #[test]
    fn spaces_may_replace_colons_and_commas() {
        let plain = routes("GET:/a=read:a,role=admin;GET:/b=");
        assert_eq!(routes(" GET /a = read:a role=admin ; GET /b = ; "), plain);
    }

    /// Only the exact route matches, not a similar one.
    #[test]
    fn a_route_that_is_not_listed_has_no_entry() {
        let routes = routes("GET:/api/hello=;ANY:/api/admin/{proxy+}=admin");
        for (method, resource) in [
            (Method::POST, "/api/hello"),
            (Method::HEAD, "/api/hello"),
            (Method::GET, "/api/hello/"),
            (Method::GET, "/API/hello"),
            (Method::GET, "/api/admin"),
            (Method::GET, "/api/admin/users"),
            (Method::GET, "/api/admin/{id+}"),
            (Method::GET, "$default"),
            (Method::GET, ""),
        ] {
            assert!(routes.of(&method, resource).is_err(), "{method} {resource}");
        }
    }

    #[test]
    fn an_entry_for_the_method_has_precedence_over_one_for_any() {
        let routes = routes("ANY:/items/{id}=write;GET:/items/{id}=read");
        assert_eq!(scopes(&routes, &Method::GET, "/items/{id}"), Some(vec!["read"]));
        assert_eq!(scopes(&routes, &Method::PUT, "/items/{id}"), Some(vec!["write"]));
    }

    #[test]
    fn empty_variables_count_as_not_set_and_both_at_once_are_refused() {
        let read = |rules: &str, scopes: &str| {
            let values = [("ROUTE_RULES", rules), ("ROUTE_SCOPES", scopes)];
            let settings = Settings::from_values(values);
            let routes = settings.read(|settings| RouteRules::from_settings(settings).ok());
            routes.map_err(|error| error.to_string())
        };
        assert_eq!(read(" ", " "), Ok(None));
        assert_eq!(read("GET:/a=x", ""), Ok(Some(routes("GET:/a=x"))));
        assert_eq!(read("", "GET /a = x"), Ok(Some(routes("GET:/a=x"))));
        let both = read("GET:/a=x", "GET /a = x").unwrap_err();
        assert!(both.contains("ROUTE_SCOPES must not be set beside ROUTE_RULES"), "{both}");
    }

    #[test]
    fn each_fault_names_the_entry_without_repeating_its_text() {
        for (text, expected) in [
            ("hunter2", "entry 1 has no `=`"),
            (";", "entry 1 has no `=`"),
            ("GET /a = x;; GET /b = y", "entry 2 has no `=`"),
            ("GET /a = x;;", "entry 2 has no `=`"),
            ("/a = x", "entry 1 has no method and path"),
            ("GET = x", "entry 1 has no method and path"),
            ("get /a = x", "entry 1 has no valid method in capital letters"),
            ("BREW /a = x", "entry 1 has no valid method in capital letters"),
            ("* /a = x", "entry 1 has no valid method in capital letters"),
            ("GET a = x", "entry 1 has no valid route path"),
            ("GET /a b = x", "entry 1 has no valid route path"),
            ("GET /a/* = x", "entry 1 has no valid route path"),
            ("GET //a = x", "entry 1 has no valid route path"),
            ("GET /{} = x", "entry 1 has no valid route path"),
            ("GET /{a = x", "entry 1 has no valid route path"),
            ("GET /{a+}/b = x", "entry 1 has no valid route path"),
            ("GET /a%2Fb = x", "entry 1 has no valid route path"),
            ("GET /a?b = x", "entry 1 has no valid route path"),
            ("GET /a = x\"y", "entry 1 has an invalid scope"),
            ("GET /a = x; GET /b = é", "entry 2 has an invalid scope"),
            ("GET /a = x; GET  /a = y", "entry 2 repeats an earlier route"),
        ] {
            assert_eq!(fault("ROUTE_SCOPES", text), expected, "{text}");
            assert_eq!(fault("ROUTE_RULES", text), expected, "{text}");
        }
        for (text, expected) in [
            ("GET:/a=person=false", "entry 1 has another value of `person` than `true`"),
            ("GET:/a=x;GET:/b=role=", "entry 2 has an invalid claim"),
            ("GET:/a==admin", "entry 1 has an invalid claim"),
            ("GET:/a=role=%FF", "entry 1 has an invalid claim"),
            ("GET:/a=amr=", "entry 1 has an invalid `acr` or `amr`"),
            ("GET:/a=acr=a\"b", "entry 1 has an invalid `acr` or `amr`"),
            ("GET:/a=max_age=0s", "entry 1 has an invalid `max_age`"),
            ("GET:/a=max_age=soon", "entry 1 has an invalid `max_age`"),
        ] {
            assert_eq!(fault("ROUTE_RULES", text), expected, "{text}");
        }
    }
}
