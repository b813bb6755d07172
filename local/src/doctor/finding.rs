//! What a check found.

use std::fmt;

use shared::{provider::ProviderError, web::error::chain};

/// The result of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// It works, but something is missing or better avoided.
    Warning,
    /// A login, a logout or a refresh fails.
    Wrong,
    /// It could not be checked.
    NotChecked,
}

/// One check: what was found, and where that is mended. It contains no secret.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The result.
    pub verdict: Verdict,
    check: &'static str,
    what: String,
    mend: Option<String>,
}

/// The settings of the application in Auth0's dashboard.
pub(super) const APPLICATION: &str = "Auth0 → Applications → your application";

/// The settings of the API in Auth0's dashboard.
pub(super) const API: &str = "Auth0 → Applications → APIs → your API → Settings";

impl Finding {
    pub(super) fn fine(check: &'static str, what: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fine, check, what: what.into(), mend: None }
    }

    pub(super) fn warning(
        check: &'static str,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Warning, ..Self::fine(check, what) }.mended(mend)
    }

    pub(super) fn wrong(
        check: &'static str,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Wrong, ..Self::fine(check, what) }.mended(mend)
    }

    pub(super) fn not_checked(check: &'static str, because: impl fmt::Display) -> Self {
        let what = format!("not checked, because {because}");
        Self { verdict: Verdict::NotChecked, ..Self::fine(check, what) }
    }

    /// A check whose request failed.
    pub(super) fn failed(check: &'static str, error: &ProviderError) -> Self {
        Self::not_checked(check, chain(error))
    }

    /// What a person has to look up.
    pub(super) fn only_by_login(check: &'static str, what: &str, mend: impl Into<String>) -> Self {
        Self::not_checked(check, format_args!("only a login shows {what}")).mended(mend)
    }

    fn mended(self, mend: impl Into<String>) -> Self {
        Self { mend: Some(mend.into()), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Fine => "ok",
            Verdict::Warning => "warning",
            Verdict::Wrong => "wrong",
            Verdict::NotChecked => "-",
        };
        write!(f, "{verdict:<7}  {}: {}", self.check, self.what)?;
        match &self.mend {
            Some(mend) => write!(f, "\n{:<7}  {mend}", ""),
            None => Ok(()),
        }
    }
}
