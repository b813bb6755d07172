//! The issuer identifier of the identity provider.

use std::{fmt, net::IpAddr};

use url::{Host, Url};

/// An issuer identifier (OpenID Connect Core §2) as Auth0 writes it: an `https` origin with a
/// trailing slash.
///
/// `http` is accepted only for a loopback host, where the development provider runs. On any other host,
/// an attacker on the network could impersonate the provider.
#[derive(Clone, Eq, PartialEq)]
pub struct Issuer(Url);

/// Reasons why a text is not an issuer. The text is left out, because it may be a misplaced secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidIssuer {
    /// It has credentials, a path, a query or a fragment.
    #[error("must be a host or an origin alone, without path, query or user name")]
    MoreThanOrigin,
    /// It is a name from an example (`{yourDomain}`, `your-tenant.auth0.com`), in quotes, or without a
    /// dot.
    #[error(
        "must be the tenant's own domain, such as `tenant.eu.auth0.com`: a plain name, without quotes or braces, and not the placeholder of an example"
    )]
    NotHostName,
    /// It is `http` for a host that is not this machine, or has another scheme.
    #[error("must use https (http is for a loopback host only)")]
    NotHttps,
    /// It has no readable host.
    #[error("must be a host such as `tenant.eu.auth0.com`, or an https URL")]
    NotUrl,
}

impl Issuer {
    /// Parses `AUTH_HOST`: a bare host (`tenant.eu.auth0.com`) or a URL.
    ///
    /// # Errors
    ///
    /// When the text is neither, or the connection would not be protected by TLS.
    pub fn parse(text: &str) -> Result<Self, InvalidIssuer> {
        let url = if text.contains("://") {
            Url::parse(text)
        } else {
            Url::parse(&format!("https://{text}"))
        };
        let url = url.map_err(|_| InvalidIssuer::NotUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidIssuer::NotHttps);
        }
        if url.path() != "/"
            || url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err(InvalidIssuer::MoreThanOrigin);
        }
        match url.host() {
            None => Err(InvalidIssuer::NotUrl),
            Some(Host::Domain(name)) if !is_loopback(&url) && !is_own_name(name) => {
                Err(InvalidIssuer::NotHostName)
            }
            Some(_) if url.scheme() == "http" && !is_loopback(&url) => Err(InvalidIssuer::NotHttps),
            Some(_) => Ok(Self(url)),
        }
    }

    /// The identifier exactly as in an `iss` claim, with the trailing slash.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The identifier as a URL that paths can be joined to.
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// The origin in ASCII, without a trailing slash, for a Content-Security-Policy.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Whether the provider runs on this machine, so that `http` is allowed.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Whether `url` has the provider's scheme, host and port, so that requests may be sent to it.
    ///
    /// Otherwise a discovery document with another host could make us send the client secret there, or
    /// send requests inside the operator's network.
    pub fn owns(&self, url: &Url) -> bool {
        self.0.origin() == url.origin() && url.username().is_empty() && url.password().is_none()
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether `url` is on this machine: `localhost`, 127.0.0.0/8 or `[::1]`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(domain)) => domain == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

/// Placeholders for a tenant's name in documentation and dashboards.
const PLACEHOLDERS: [&str; 6] = [
    "your-auth0-domain",
    "your-domain",
    "your-tenant",
    "yourdomain",
    "yourtenant",
    "your-custom-domain",
];

/// Whether a domain can be a provider's: at least two labels of letters, digits and hyphens, none of
/// them a placeholder. The URL parser accepts more, such as quotes and braces.
fn is_own_name(domain: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !PLACEHOLDERS.contains(&label)
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    domain.contains('.') && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_host_and_a_url_name_the_same_issuer_with_a_trailing_slash() {
        for text in [
            "tenant.eu.auth0.com",
            "https://tenant.eu.auth0.com",
            "https://tenant.eu.auth0.com/",
            "TENANT.eu.auth0.com",
        ] {
            assert_eq!(Issuer::parse(text).unwrap().as_str(), "https://tenant.eu.auth0.com/");
        }
    }

    /// R177.
    #[test]
    fn r177_http_is_accepted_for_loopback_only() {
        for text in ["http://localhost:9100", "http://127.0.0.1:9100/", "http://[::1]:9100"] {
            assert!(Issuer::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in ["http://tenant.auth0.com", "http://localhost.evil", "ftp://tenant.auth0.com"] {
            assert_eq!(Issuer::parse(text), Err(InvalidIssuer::NotHttps), "{text}");
        }
    }

    #[test]
    fn r215_a_placeholder_or_a_quoted_name_is_not_an_issuer() {
        for text in [
            "{yourDomain}",
            "https://{yourDomain}",
            "YOUR_DOMAIN",
            "your-tenant.auth0.com",
            "YOUR-TENANT.eu.auth0.com",
            "YOUR_TENANT.eu.auth0.com",
            "https://yourdomain.com/",
            "\"tenant.auth0.com\"",
            "'tenant.auth0.com'",
            "${AUTH0_DOMAIN}",
            "tenant",
            "tenant..auth0.com",
        ] {
            assert_eq!(Issuer::parse(text), Err(InvalidIssuer::NotHostName), "{text}");
        }
        for text in ["dev-1a2b3c4d.us.auth0.com", "your-music.eu.auth0.com", "bücher.example"] {
            assert!(Issuer::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn r177_only_an_origin_is_an_issuer() {
        for text in [
            "https://tenant.auth0.com/path",
            "https://user@tenant.auth0.com",
            "tenant.auth0.com?x",
            "tenant.auth0.com#x",
        ] {
            assert_eq!(Issuer::parse(text), Err(InvalidIssuer::MoreThanOrigin), "{text}");
        }
        for text in ["", "https://", "https:///", "not a host"] {
            assert_eq!(Issuer::parse(text), Err(InvalidIssuer::NotUrl), "{text}");
        }
    }

    /// R71.
    #[test]
    fn r071_only_the_same_origin_is_the_providers_own() {
        let issuer = Issuer::parse("tenant.auth0.com").unwrap();
        let owns = |url: &str| issuer.owns(&Url::parse(url).unwrap());
        assert!(owns("https://tenant.auth0.com/oauth/token"));
        assert!(!owns("http://tenant.auth0.com/oauth/token"));
        assert!(!owns("https://tenant.auth0.com:8443/oauth/token"));
        assert!(!owns("https://tenant.auth0.com.evil/oauth/token"));
        assert!(!owns("https://169.254.169.254/oauth/token"));
        assert!(!owns("https://us:er@tenant.auth0.com/oauth/token"));
    }
}
