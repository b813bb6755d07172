//! The tenant's organizations. Every user is a member of each.

/// An organization: a sample, or any other id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Organization {
    /// The claim `org_id`.
    pub(super) id: String,
    /// The claim `org_name`. Only a sample has one.
    pub(super) name: Option<&'static str>,
}

/// The organizations that the login form offers, each with its id and its name.
pub(super) static SAMPLE_ORGANIZATIONS: [(&str, &str); 2] =
    [("org_acme", "acme"), ("org_globex", "globex")];

impl Organization {
    /// The organization with this id, or the sample with this name in any case.
    pub(super) fn find(id_or_name: &str) -> Option<Self> {
        let mut samples = SAMPLE_ORGANIZATIONS.iter();
        let is_asked =
            |(id, name): &&(&str, &str)| *id == id_or_name || name.eq_ignore_ascii_case(id_or_name);
        if let Some((id, name)) = samples.find(is_asked) {
            return Some(Self { id: (*id).to_owned(), name: Some(name) });
        }
        let rest = id_or_name.strip_prefix("org_")?;
        let is_id = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_id.then(|| Self { id: id_or_name.to_owned(), name: None })
    }
}
