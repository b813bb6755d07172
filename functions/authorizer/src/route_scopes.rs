//! `ROUTE_SCOPES`: the scopes that each route requires.

use std::collections::BTreeMap;

use http::Method;
use shared::{jwt, settings::Settings};

/// The routes that may be called, and the scopes that each route requires.
///
/// ```
/// # use authorizer::RouteScopes;
/// let routes = "GET /reports = read:reports; ANY /admin/{proxy+} = admin audit; GET /me =";
/// assert!(routes.parse::<RouteScopes>().is_ok());
/// ```
///
/// A route is written as the API defines it, including path variables; `$default` is a route too. The
/// lookup uses the route that the gateway matched, never the path of the request. So there is no second
/// path matching that could differ from the gateway's. For one path, an entry with the request's method
/// has precedence over an entry with `ANY`.
///
/// **A route that is not listed is denied.** If it required no scope instead, a typing error in a path
/// or method would silently open a route that should be guarded. The same would happen to a route that
/// is added to the API and forgotten here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouteScopes(BTreeMap<Key, Vec<String>>);

/// A route's path and method. No method means `ANY`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Key {
    path: String,
    method: Option<String>,
}

/// An invalid entry of `ROUTE_SCOPES`, counted from 1. The message does not repeat its text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "must be entries such as `GET /reports/{{id}} = read:reports`, separated by semicolons: entry {entry} {fault}"
)]
pub struct InvalidRouteScopes {
    entry: usize,
    fault: &'static str,
}

impl RouteScopes {
    /// Reads `ROUTE_SCOPES`. Inner `None`: the variable is not set.
    pub fn from_settings(settings: &mut Settings) -> Option<Option<Self>> {
        settings.optional("ROUTE_SCOPES", str::parse)
    }

    /// The scopes that a request with `method` requires on the route with the path `resource`. `None`:
    /// the route is not listed.
    pub fn of(&self, method: &Method, resource: &str) -> Option<Vec<&str>> {
        let key = |method: Option<&Method>| Key {
            path: resource.to_owned(),
            method: method.map(|method| method.as_str().to_owned()),
        };
        let scopes = self.0.get(&key(Some(method))).or_else(|| self.0.get(&key(None)))?;
        Some(scopes.iter().map(String::as_str).collect())
    }
}

impl std::str::FromStr for RouteScopes {
    type Err = InvalidRouteScopes;

    fn from_str(text: &str) -> Result<Self, InvalidRouteScopes> {
        let mut routes = BTreeMap::new();
        let text = text.trim();
        let entries = text.strip_suffix(';').unwrap_or(text).split(';');
        for (index, entry) in entries.enumerate() {
            let invalid = |fault| InvalidRouteScopes { entry: index + 1, fault };
            let (route, scopes) = entry.split_once('=').ok_or(invalid("has no `=`"))?;
            let key = Key::parse(route.trim()).map_err(invalid)?;
            let scopes: Vec<_> = scopes.split_whitespace().map(str::to_owned).collect();
            if !scopes.iter().all(|scope| jwt::is_scope(scope)) {
                return Err(invalid("has an invalid scope"));
            }
            if routes.insert(key, scopes).is_some() {
                return Err(invalid("repeats an earlier route"));
            }
        }
        Ok(Self(routes))
    }
}

impl Key {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "$default" {
            return Ok(Self { path: text.to_owned(), method: None });
        }
        let (method, path) = text.split_once(' ').ok_or("has no method and path")?;
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

    fn routes(text: &str) -> RouteScopes {
        text.parse().unwrap()
    }

    fn fault(text: &str) -> String {
        let mut settings = Settings::from_values([("ROUTE_SCOPES", text)]);
        assert_eq!(RouteScopes::from_settings(&mut settings), None, "{text}");
        let message = settings.finish().unwrap_err().to_string();
        let (_, fault) = message.split_once("separated by semicolons: ").unwrap();
        fault.to_owned()
    }

    #[test]
    fn a_route_requires_the_scopes_of_its_entry() {
        let routes = routes(
            "GET /api/hello = read:hello;ANY /api/admin/{proxy+}=admin  audit ; GET / = ; $default = x;",
        );
        let of = |method: &Method, resource| routes.of(method, resource);
        assert_eq!(of(&Method::GET, "/api/hello"), Some(vec!["read:hello"]));
        assert_eq!(of(&Method::DELETE, "/api/admin/{proxy+}"), Some(vec!["admin", "audit"]));
        assert_eq!(of(&Method::GET, "/"), Some(vec![]));
        assert_eq!(of(&Method::POST, "$default"), Some(vec!["x"]));
    }

    /// Only the exact route matches, not a similar one.
    #[test]
    fn a_route_that_is_not_listed_has_no_entry() {
        let routes = routes("GET /api/hello = ; ANY /api/admin/{proxy+} = admin");
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
            assert_eq!(routes.of(&method, resource), None, "{method} {resource}");
        }
    }

    #[test]
    fn an_entry_for_the_method_has_precedence_over_one_for_any() {
        let routes = routes("ANY /items/{id} = write; GET /items/{id} = read");
        assert_eq!(routes.of(&Method::GET, "/items/{id}"), Some(vec!["read"]));
        assert_eq!(routes.of(&Method::PUT, "/items/{id}"), Some(vec!["write"]));
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let mut settings = Settings::from_values([("ROUTE_SCOPES", " ")]);
        assert_eq!(RouteScopes::from_settings(&mut settings), Some(None));
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
            assert_eq!(fault(text), expected, "{text}");
        }
    }
}
