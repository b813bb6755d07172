//! Pictures that a page loads from elsewhere.

use std::fmt;

use url::Url;

use crate::issuer::Issuer;

/// The address of a picture that a page may load: by `https`, or from the provider (R171).
///
/// Its host consists of letters, digits, dots and hyphens. The host of a URL may also contain `;` and
/// `,`. With these, a user could add directives to the Content-Security-Policy, which contains the
/// host.
#[derive(Clone, Debug)]
pub struct Picture(Url);

impl Picture {
    /// Parses the claim `picture`.
    pub fn parse(claim: &str, issuer: &Issuer) -> Option<Self> {
        let url = Url::parse(claim).ok()?;
        let is_loadable = url.scheme() == "https" || issuer.owns(&url);
        Self::at(url).filter(|_| is_loadable)
    }

    /// The picture at `url`, if its host is safe in a policy.
    pub(super) fn at(url: Url) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        url.host_str()?.bytes().all(is_plain).then_some(Self(url))
    }

    /// Scheme, host and port, for `img-src`.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}
