//! The routes of an HTTP API, and the matching of requests to them.

use std::{collections::BTreeMap, fmt, str::FromStr};

use http::Method;

use crate::emulator::template::Stack;

/// A route and the function that serves it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// The requests that it matches.
    pub key: RouteKey,
    /// The name of the function.
    pub function: String,
}

impl Route {
    /// The routes of the stack's functions.
    #[must_use]
    pub fn of(stack: &Stack) -> Vec<Self> {
        let routes = stack.functions().into_iter().flat_map(|function| {
            let binary = function.binary;
            function.routes.into_iter().map(move |key| (key, binary.clone()))
        });
        routes
            .map(|(key, function)| Self { key: key.parse().expect("a route key"), function })
            .collect()
    }
}

/// `GET /login`, `ANY /reports/{id}`, `GET /files/{path+}` or `$default`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RouteKey {
    /// Every request that matches no other route.
    Default,
    /// A method and a path.
    Path {
        /// `None` means `ANY`: all methods for which no other route has this path.
        method: Option<Method>,
        /// The parts between the slashes.
        segments: Vec<Segment>,
    },
}

/// One part of a route's path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Segment {
    /// Literal text.
    Text(String),
    /// `{name}`: one part that is not empty.
    Variable(String),
    /// `{name+}`: the rest of the path, if not empty.
    Greedy(String),
}

/// The text is not a valid route key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is no route key, such as `GET /path` or `$default`")]
pub struct InvalidRouteKey(String);

/// The matching route of a request.
#[derive(Debug)]
pub struct Matched<'a> {
    /// The route.
    pub route: &'a Route,
    /// The values of its path variables.
    pub parameters: BTreeMap<&'a str, String>,
}

/// All routes of an API, the most specific first.
///
/// AWS documents three ranks: a full match of method and path, a match with a greedy path variable,
/// `$default`. Within a rank, a literal part precedes a variable, and a variable precedes a greedy
/// one. Of two routes with the same path, one with a method precedes `ANY`.
#[derive(Clone, Debug)]
pub struct Routes(Vec<Route>);

impl Routes {
    /// Sorts the routes by rank.
    #[must_use]
    pub fn new(mut routes: Vec<Route>) -> Self {
        routes.sort_by_key(|route| match &route.key {
            RouteKey::Default => (Rank::Default, Vec::new(), false),
            RouteKey::Path { method, segments } => {
                let is_greedy = matches!(segments.last(), Some(Segment::Greedy(_)));
                let rank = if is_greedy { Rank::Greedy } else { Rank::Full };
                let kinds: Vec<_> = segments.iter().map(Segment::kind).collect();
                (rank, kinds, method.is_none())
            }
        });
        Self(routes)
    }

    /// The route for a request with this method and decoded path.
    #[must_use]
    pub fn find(&self, method: &Method, path: &str) -> Option<Matched<'_>> {
        self.0.iter().find_map(|route| {
            let parameters = route.key.matches(method, path)?;
            Some(Matched { route, parameters })
        })
    }
}

#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Rank {
    Full,
    Greedy,
    Default,
}

impl Segment {
    const fn kind(&self) -> u8 {
        match self {
            Self::Text(_) => 0,
            Self::Variable(_) => 1,
            Self::Greedy(_) => 2,
        }
    }
}

impl RouteKey {
    fn matches<'a>(&'a self, method: &Method, path: &str) -> Option<BTreeMap<&'a str, String>> {
        let mut parameters = BTreeMap::new();
        let Self::Path { method: own, segments } = self else { return Some(parameters) };
        if own.as_ref().is_some_and(|own| own != method) {
            return None;
        }
        let mut rest = Some(path.strip_prefix('/')?);
        for segment in segments {
            let left = rest?;
            let (part, after) =
                left.split_once('/').map_or((left, None), |(part, after)| (part, Some(after)));
            rest = after;
            match segment {
                Segment::Text(text) if text == part => {}
                Segment::Variable(name) if !part.is_empty() => {
                    parameters.insert(name, part.to_owned());
                }
                Segment::Greedy(name) if !left.is_empty() => {
                    parameters.insert(name, left.to_owned());
                    return Some(parameters);
                }
                _ => return None,
            }
        }
        rest.is_none().then_some(parameters)
    }
}

impl FromStr for RouteKey {
    type Err = InvalidRouteKey;

    fn from_str(text: &str) -> Result<Self, InvalidRouteKey> {
        let invalid = || InvalidRouteKey(text.to_owned());
        if text == "$default" {
            return Ok(Self::Default);
        }
        let (method, path) = text.split_once(' ').ok_or_else(invalid)?;
        let method = match method {
            "ANY" => None,
            name => Some(Method::from_bytes(name.as_bytes()).map_err(|_| invalid())?),
        };
        let path = path.strip_prefix('/').ok_or_else(invalid)?;
        let segments: Vec<_> = path.split('/').map(segment).collect();
        let (_, before) = segments.split_last().ok_or_else(invalid)?;
        if before.iter().any(|segment| matches!(segment, Segment::Greedy(_))) {
            return Err(invalid());
        }
        Ok(Self::Path { method, segments })
    }
}

fn segment(text: &str) -> Segment {
    let name = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    match name {
        None => Segment::Text(text.to_owned()),
        Some(name) => match name.strip_suffix('+') {
            Some(name) => Segment::Greedy(name.to_owned()),
            None => Segment::Variable(name.to_owned()),
        },
    }
}

/// The format of `routeKey`.
impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Path { method, segments } = self else { return f.write_str("$default") };
        f.write_str(method.as_ref().map_or("ANY", Method::as_str))?;
        f.write_str(" ")?;
        segments.iter().try_for_each(|segment| match segment {
            Segment::Text(text) => write!(f, "/{text}"),
            Segment::Variable(name) => write!(f, "/{{{name}}}"),
            Segment::Greedy(name) => write!(f, "/{{{name}+}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(keys: &[&str]) -> Routes {
        let route = |key: &&str| Route { key: key.parse().unwrap(), function: "any".to_owned() };
        Routes::new(keys.iter().map(route).collect())
    }

    fn found(routes: &Routes, method: &str, path: &str) -> Option<String> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        routes.find(&method, path).map(|matched| matched.route.key.to_string())
    }

    /// The example from AWS' page on routes.
    #[test]
    fn the_most_specific_route_is_taken() {
        let all = ["$default", "ANY /{proxy+}", "GET /pets/{proxy+}", "GET /pets/dog/{id}"];
        let routes = routes(&[&all[..], &["GET /pets/dog/1"]].concat());
        for (method, path, expected) in [
            ("GET", "/pets/dog/1", "GET /pets/dog/1"),
            ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
            ("GET", "/pets/cat/1", "GET /pets/{proxy+}"),
            ("POST", "/test/5", "ANY /{proxy+}"),
            ("POST", "/pets/dog/1", "ANY /{proxy+}"),
            ("GET", "/", "$default"),
        ] {
            assert_eq!(found(&routes, method, path).as_deref(), Some(expected), "{method} {path}");
        }
    }

    #[test]
    fn requests_without_a_route_are_not_found() {
        let routes = routes(&["GET /", "GET /protected", "GET /files/{name}", "GET /all/{rest+}"]);
        assert_eq!(found(&routes, "GET", "/").as_deref(), Some("GET /"));
        for (method, path) in [
            ("HEAD", "/protected"),
            ("GET", "/protected/"),
            ("GET", "//protected"),
            ("GET", "/Protected"),
            ("GET", "/protected/more"),
            ("GET", "/files/"),
            ("GET", "/files/a/b"),
            ("GET", "/all/"),
            ("GET", "/all"),
        ] {
            assert_eq!(found(&routes, method, path), None, "{method} {path}");
        }
    }
}
