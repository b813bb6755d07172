//! The texts of the pages, in each language.
//!
//! A language is one value of [`Texts`], so the compiler proves that it is complete. JSON is always in
//! English, because programs read it.

mod english;
mod german;

use serde::Serialize;

/// A text of the catalogue, in the language of the reader: `|texts| texts.actions.log_in`.
pub type Text = fn(&Texts) -> &'static str;

/// What precedes a value that a page inserts, and what follows it.
pub type Around = [&'static str; 2];

/// `text` in English, for JSON and headers.
pub fn english(text: Text) -> &'static str {
    text(Language::English.texts())
}

/// The languages of the pages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Language {
    /// The default.
    English,
    /// German, in the formal address.
    German,
}

impl Language {
    /// The language of the tag `tag` (RFC 5646), such as `de-AT`, if there are texts in it.
    pub fn tagged(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        [Self::English, Self::German]
            .into_iter()
            .find(|language| language.texts().language.eq_ignore_ascii_case(primary))
    }

    /// The texts in this language.
    pub const fn texts(self) -> &'static Texts {
        match self {
            Self::English => &english::TEXTS,
            Self::German => &german::TEXTS,
        }
    }
}

macro_rules! texts {
    ($($(#[$attribute:meta])* $name:ident { $($field:ident: $kind:ty,)* })*) => {
        $(
            #[derive(Debug, Serialize)]
            $(#[$attribute])*
            #[expect(missing_docs, reason = "`english.rs` has the text of each field")]
            pub struct $name { $(pub $field: $kind,)* }
        )*
    };
}

texts! {
    /// All texts in one language.
    Texts {
        // The tag of the language (RFC 5646).
        language: &'static str,
        actions: Actions,
        login: Login,
        key: Key,
        script: Script,
        logout: Logout,
        message: Message,
        titles: Titles,
        errors: Errors,
        refusals: Refusals,
        tokens: Tokens,
    }

    /// The labels of links and buttons.
    Actions {
        go_on: &'static str,
        log_in: &'static str,
        log_in_again: &'static str,
        log_in_for_it: &'static str,
        log_out: &'static str,
        log_out_everywhere: &'static str,
        start_again: &'static str,
        stay_logged_in: &'static str,
        to_key: &'static str,
        to_login_page: &'static str,
        to_start_page: &'static str,
        use_another_account: &'static str,
    }

    /// The login page, and the question whether to log in again.
    Login {
        intro: &'static str,
        methods: &'static str,
        continue_with: Around,
        // The labels of login methods that are not names.
        password: &'static str,
        code_by_email: &'static str,
        code_by_text_message: &'static str,
        members: Around,
        members_of_any: &'static str,
        provider: Around,
        development: &'static str,
        logging_in: &'static str,
        continues: &'static str,
        again: &'static str,
        again_why: &'static str,
    }

    /// The key page.
    Key {
        heading: &'static str,
        heading_without_key: &'static str,
        organization: &'static str,
        switch: &'static str,
        unverified: &'static str,
        usage: Around,
        too_long: &'static str,
        hidden: &'static str,
        token: &'static str,
        copy: &'static str,
        copy_token: &'static str,
        token_copied: &'static str,
        copy_curl: &'static str,
        curl_copied: &'static str,
        of_token: &'static str,
        of_curl: &'static str,
        time_left: &'static str,
        expires: &'static str,
        live: &'static str,
        polls_with_token: &'static str,
        polls_with_cookie: &'static str,
        no_script: &'static str,
        no_script_curl: Around,
        no_script_see: &'static str,
        no_script_link: &'static str,
        last_answer: &'static str,
        session_ends: Around,
        everywhere: &'static str,
        terminal: &'static str,
        content: &'static str,
        header: &'static str,
        claims: &'static str,
        third_part: Around,
        signature: &'static str,
    }

    /// The texts of the key page's script. `key` and `session` name what it polls with.
    #[serde(rename_all = "camelCase")]
    Script {
        show_all: &'static str,
        show_less: &'static str,
        copied: &'static str,
        selected: &'static str,
        selected_how: &'static str,
        left: Around,
        expired: &'static str,
        answer: [&'static str; 4],
        no_answer: &'static str,
        unreachable: &'static str,
        unreachable_why: &'static str,
        renewed_at: Around,
        not_renewed: &'static str,
        not_renewed_now: &'static str,
        logged_in: &'static str,
        logged_in_otherwise: &'static str,
        logged_out: &'static str,
        not_allowed: &'static str,
        token_expired: &'static str,
        token_expired_why: &'static str,
        session_expired: &'static str,
        session_lost: &'static str,
        pause: &'static str,
        pause_why: &'static str,
        problem: &'static str,
        problem_why: &'static str,
        unexpected: &'static str,
        keeps_trying: &'static str,
        stopped: &'static str,
        paused: &'static str,
        paused_tab: &'static str,
        next_try: Around,
        away: &'static str,
        asking: &'static str,
        key: Credential,
        session: Credential,
    }

    /// What the script says of the credential that it polls with.
    #[serde(rename_all = "camelCase")]
    Credential {
        accepted: &'static str,
        not_accepted: &'static str,
        ended: &'static str,
        session_ended: &'static str,
        session_ended_why: &'static str,
        renewed: &'static str,
        cannot_be_renewed: &'static str,
        not_renewed_now: &'static str,
    }

    /// The confirmation of a logout, and the pages after it.
    Logout {
        question: &'static str,
        consequence: &'static str,
        no_session: &'static str,
        logged_out: &'static str,
        still_logged_in: &'static str,
        still_logged_in_why: &'static str,
        ended_everywhere: &'static str,
        ended_here: &'static str,
        logged_out_here: &'static str,
        provider_offers_none: &'static str,
        provider_silent: &'static str,
    }

    /// What surrounds the texts of a message.
    Message {
        provider_says: &'static str,
        account: Around,
        request: &'static str,
    }

    /// The headings of failures.
    Titles {
        access_denied: &'static str,
        invalid_login_link: &'static str,
        key_not_renewed: &'static str,
        logged_in_already: &'static str,
        logged_out_here_only: &'static str,
        logged_out_meanwhile: &'static str,
        login_not_finished: &'static str,
        login_not_started: &'static str,
        logout_incomplete: &'static str,
        method_not_allowed: &'static str,
        misconfigured: &'static str,
        not_logged_in: &'static str,
        not_logged_out: &'static str,
        page_not_found: &'static str,
        request_failed: &'static str,
        request_rejected: &'static str,
        route_not_listed: &'static str,
        try_again: &'static str,
        were_not_logged_in: &'static str,
    }

    /// The descriptions of failures.
    Errors {
        address_too_long: &'static str,
        body_too_large: &'static str,
        cross_site_logout: &'static str,
        everywhere_unclear: &'static str,
        everywhere_unfinished: &'static str,
        form_too_long: &'static str,
        internal: &'static str,
        login_cannot_continue: &'static str,
        login_denied: &'static str,
        login_ended: &'static str,
        login_expired: &'static str,
        login_not_accepted: &'static str,
        login_not_completed: &'static str,
        login_unknown: &'static str,
        logout_unfinished: &'static str,
        method_not_allowed: &'static str,
        misconfigured: &'static str,
        not_a_navigation: &'static str,
        not_found: &'static str,
        not_refreshable: &'static str,
        other_issuer: &'static str,
        other_organization: &'static str,
        parameter: &'static str,
        provider_response: &'static str,
        provider_response_to_refresh: &'static str,
        provider_unavailable: &'static str,
        proxy_required: &'static str,
        refresh_in_progress: &'static str,
        request_not_accepted: &'static str,
        secret_unavailable: &'static str,
        step_up_missing: &'static str,
        store_unavailable: &'static str,
        timeout: &'static str,
        unknown_route: &'static str,
        unreadable: &'static str,
        user_info_unusable: &'static str,
    }

    /// Why a request is refused. If a `code` has one reason, the field has the name of the code, by
    /// which the key page's script finds the text.
    Refusals {
        authorization_header_missing: &'static str,
        claim_not_allowed: &'static str,
        client_not_allowed: &'static str,
        cross_site_request: &'static str,
        email_not_allowed: &'static str,
        email_not_verified: &'static str,
        insufficient_scope: &'static str,
        insufficient_user_authentication: &'static str,
        invalid_header: &'static str,
        organization_required: &'static str,
        organization_not_allowed: &'static str,
        other_scheme: &'static str,
        person_required: &'static str,
        refresh_required: &'static str,
        route_not_listed: &'static str,
        session_ended: &'static str,
        token_without_session: &'static str,
        two_tokens: &'static str,
    }

    /// Why a token is rejected.
    Tokens {
        algorithm: &'static str,
        bound_to_key: &'static str,
        duplicate_claim: &'static str,
        expired: &'static str,
        extension: &'static str,
        invalid_claim: &'static str,
        malformed: &'static str,
        missing_claim: &'static str,
        not_a_jwt: &'static str,
        not_yet_valid: &'static str,
        other_access_token: &'static str,
        other_application: &'static str,
        other_audience: &'static str,
        other_issuer: &'static str,
        other_kind: &'static str,
        other_login: &'static str,
        signature: &'static str,
        too_long: &'static str,
        too_old: &'static str,
        too_old_authentication: &'static str,
        unknown_key: &'static str,
    }
}

#[cfg(test)]
mod tests;
