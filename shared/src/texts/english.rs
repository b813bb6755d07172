//! The texts in English. They declare the fields that every language fills.

use serde::Serialize;

use super::Around;

pub(super) static TEXTS: Texts = Texts::ENGLISH;

texts! {
    /// All texts in one language.
    Texts {
        // The tag of the language (RFC 5646).
        language = "en",
        actions: Actions = Actions::ENGLISH,
        login: Login = Login::ENGLISH,
        key: Key = Key::ENGLISH,
        script: Script = Script::ENGLISH,
        logout: Logout = Logout::ENGLISH,
        message: Message = Message::ENGLISH,
        titles: Titles = Titles::ENGLISH,
        errors: Errors = Errors::ENGLISH,
        refusals: Refusals = Refusals::ENGLISH,
        tokens: Tokens = Tokens::ENGLISH,
    }

    /// The labels of links and buttons.
    Actions {
        go_on = "Continue",
        log_in = "Log in",
        log_in_again = "Log in again",
        log_in_for_it = "Log in for it",
        log_out = "Log out",
        log_out_everywhere = "Log out everywhere",
        start_again = "Start again",
        stay_logged_in = "Stay logged in",
        to_key = "Go to your key",
        to_login_page = "Go to the login page",
        to_start_page = "Go to the start page",
        use_another_account = "Use another account",
    }

    /// The login page, and the question whether to log in again.
    Login {
        intro = "Get your API key, read what it says, and watch the API answer to it.",
        methods = "Ways to log in",
        continue_with: Around = ["Continue with ", ""],
        // The labels of login methods that are not names.
        password = "Email and password",
        code_by_email = "Code by email",
        code_by_text_message = "Code by text message",
        members: Around = ["For members of ", "."],
        members_of_any = "For members of an organization. You choose it when you log in.",
        provider: Around = ["You log in at ", ". Your password never passes through this site."],
        development = "Local run: this is the development identity provider, with sample users and no real passwords.",
        logging_in = "Logging in",
        continues = "Your browser continues by itself. If it does not, press the button.",
        again = "Log in again?",
        again_why = "You are logged in here already. Another site requests that you log in again. That ends your current session, and its API key stops working.",
    }

    /// The key page.
    Key {
        heading = "Your API key",
        heading_without_key = "Your session",
        organization = "Organization",
        switch = "Switch",
        unverified = "e-mail unverified",
        usage: Around = [
            "Send it as ",
            " to call the API as you. Keep it like a password: anyone who has it can act as you until it expires or you log out.",
        ],
        too_long = "This browser calls the API with your session cookie. Your key is too long for a header, so it is not shown.",
        hidden = "This browser calls the API with your session cookie. Keys are not shown here.",
        token = "Signed token",
        copy = "Copy",
        copy_token = "Copy the token",
        token_copied = "The token is copied.",
        copy_curl = "Copy the curl line",
        curl_copied = "The curl line is copied.",
        of_token = " of the token",
        of_curl = " of the curl line",
        time_left = "Time left on the token",
        expires = "expires",
        live = "Live answer",
        polls_with_token = "with the token, every second while you use this page, every 10 seconds after a minute without use.",
        polls_with_cookie = "with the session cookie, every second while you use this page, every 10 seconds after a minute without use.",
        no_script = "Without JavaScript this page cannot call the API.",
        no_script_curl: Around = ["Paste the ", " line into a terminal, or see"],
        no_script_see = "See",
        no_script_link = "what the API answers to this browser",
        last_answer = "The last answer",
        session_ends: Around = ["Your session ends ", " at the latest."],
        everywhere = "Ends all your sessions here, on every device.",
        terminal = "Call it from a terminal",
        content = "What the token says",
        header = "Header",
        claims = "Claims",
        third_part: Around = [
            "Anyone can read these two parts. The third, the ",
            ", proves that the identity provider wrote them.",
        ],
        signature = "signature",
    }

    /// The texts of the key page's script. `key` and `session` name what it polls with.
    #[serde(rename_all = "camelCase")]
    Script {
        show_all = "Show all",
        show_less = "Show less",
        copied = "Copied",
        selected = "Selected",
        selected_how = "Selected. Press Ctrl+C or ⌘C to copy.",
        left: Around = ["", " left"],
        expired = "Expired",
        answer: [&'static str; 4] = ["Answer ", " came at ", " after ", " ms."],
        no_answer = "No answer",
        unreachable = "The API cannot be reached",
        unreachable_why = "You may be offline. This page keeps trying by itself.",
        renewed_at: Around = ["Renewed at ", "."],
        not_renewed = "It could not be renewed.",
        not_renewed_now = "It could not be renewed just now.",
        logged_in = "You are logged in",
        logged_in_otherwise = "You are logged in, but not in the way that this needs",
        logged_out = "You are logged out",
        not_allowed = "You are logged in, but not allowed to do this",
        token_expired = "Token expired: you are logged out",
        token_expired_why = "Its time is over. Logging in again gives you a new one.",
        session_expired = "Session expired: you are logged out",
        session_lost = "Session ended: you are logged out",
        pause = "The API asks for a pause",
        pause_why = "Too many requests. This page keeps trying by itself.",
        problem = "The API has a problem",
        problem_why = "It is not you. This page keeps trying by itself.",
        unexpected = "Unexpected answer",
        keeps_trying = "This page keeps trying by itself.",
        stopped = "Stopped asking.",
        paused = "Paused while this tab is hidden",
        paused_tab = "Paused while this tab is hidden.",
        next_try: Around = ["Next try in ", " s."],
        away = "You seem to be away: it asks every 10 s.",
        asking = "Asking the API…",
        key: Credential = Credential {
            accepted: "The API accepts your key.",
            not_accepted: "The API does not accept your key.",
            ended: "The key has ended",
            session_ended: "Good token, bad session: you are logged out",
            session_ended_why: "The signature still holds, but the session behind the token has ended. It opens nothing any more.",
            renewed: "The key was renewed",
            cannot_be_renewed: "The key cannot be renewed. It ends when its time is over.",
            not_renewed_now: "The key could not be renewed just now. This page tries again by itself.",
        },
        session: Credential = Credential {
            accepted: "The API accepts your session.",
            not_accepted: "The API does not accept your session.",
            ended: "The session has ended",
            session_ended: "Session ended: you are logged out",
            session_ended_why: "The session was ended, here or elsewhere.",
            renewed: "The session was renewed",
            cannot_be_renewed: "The session cannot be renewed. It ends when its time is over.",
            not_renewed_now: "The session could not be renewed just now. This page tries again by itself.",
        },
    }

    /// The confirmation of a logout, and the pages after it.
    Logout {
        question = "Log out?",
        consequence = "This ends your session here and at the identity provider. Your API key stops working at once.",
        no_session = "There is no session in this browser to end.",
        logged_out = "You are logged out",
        still_logged_in = "You are still logged in",
        still_logged_in_why = "This browser still has a valid session.",
        ended_everywhere = "Your session has ended here and at the identity provider, and your API key with it.",
        ended_here = "Your session here has ended, and your API key with it.",
        logged_out_here = "You are logged out here",
        provider_offers_none = "The identity provider offers no logout, so you may still be logged in there. On a shared computer, log out there too, or close the browser.",
        provider_silent = "The identity provider does not answer right now, so you may still be logged in there. On a shared computer, close the browser.",
    }

    /// What surrounds the texts of a message.
    Message {
        provider_says = "The identity provider says:",
        account: Around = ["You used ", "."],
        request = "Request",
    }

    /// The headings of failures.
    Titles {
        access_denied = "Access denied",
        invalid_login_link = "This login link is not valid",
        key_not_renewed = "The key was not renewed",
        logged_in_already = "You are logged in already",
        logged_out_here_only = "You are logged out here, but perhaps not everywhere",
        logged_out_meanwhile = "You were logged out meanwhile",
        login_not_finished = "This login can't be finished",
        login_not_started = "Login not started",
        logout_incomplete = "The logout may be incomplete",
        method_not_allowed = "Method not allowed",
        misconfigured = "This service is not set up correctly",
        not_logged_in = "You are not logged in",
        not_logged_out = "You were not logged out",
        page_not_found = "Page not found",
        request_failed = "The request failed",
        request_rejected = "The request was rejected",
        route_not_listed = "Route not configured",
        try_again = "Please try again in a moment",
        were_not_logged_in = "You were not logged in",
    }

    /// The descriptions of failures.
    Errors {
        address_too_long = "The address is too long.",
        body_too_large = "The request body is too large.",
        cross_site_logout = "The request came from another site. To log out, use the button on this one.",
        everywhere_unclear = "The parameter everywhere must be given once, as true or false.",
        everywhere_unfinished = "This session has ended, but the session store does not answer right now, so your other sessions may still be valid. Log in again and try once more shortly.",
        form_too_long = "The form is too long. Please start again.",
        internal = "The request could not be answered.",
        login_cannot_continue = "The identity provider cannot log you in right now. Please start again in a moment.",
        login_denied = "You cancelled the login, or your account is not allowed to use this application.",
        login_ended = "A logout ended this login before it was finished. Please start again.",
        login_expired = "It was started in another browser, took too long, or was finished already. Please start again.",
        login_not_accepted = "The identity provider did not accept the login. Please start again.",
        login_not_completed = "The login could not be completed. Please start again.",
        login_unknown = "This address does not belong to a login in progress in this browser. You stay logged in.",
        logout_unfinished = "This browser no longer has the session, but the session store does not answer right now, so the API key may still work. Please try again shortly.",
        method_not_allowed = "This address does not accept this method.",
        misconfigured = "Its operator finds the reason in the log under the request id below.",
        not_a_navigation = "Open this address in a browser to log in.",
        not_found = "This address does not exist on this site.",
        not_refreshable = "The session has no refresh token. It ends when its key expires.",
        other_issuer = "It names a different identity provider.",
        other_organization = "It names an organization that is not allowed here.",
        parameter = "A parameter is duplicated, too long, or contains invalid characters.",
        provider_response = "The identity provider's response cannot be used. Please start again.",
        provider_response_to_refresh = "The identity provider's response cannot be used. The session continues.",
        provider_unavailable = "The identity provider does not answer right now. Please try again shortly.",
        proxy_required = "This address serves only the proxy in front of it.",
        refresh_in_progress = "Another request refreshes the session. Please try again shortly.",
        request_not_accepted = "The identity provider did not accept this application's request. Please start again.",
        secret_unavailable = "A part of this service does not answer right now. Nothing was changed; please try again shortly.",
        step_up_missing = "This needs a stronger login, such as one with a second factor, and the identity provider did not ask for it.",
        store_unavailable = "The session store does not answer right now. Nothing was changed; please try again shortly.",
        timeout = "The request took too long. Please try again.",
        unknown_route = "It names no route that requires a separate login.",
        user_info_unusable = "The identity provider does not say enough about you right now. Please start again.",
        unreadable = "The request cannot be read.",
    }

    /// Why a request is refused. If a `code` has one reason, the field has the name of the code, by
    /// which the key page's script finds the text.
    Refusals {
        authorization_header_missing = "An Authorization header is expected.",
        claim_not_allowed = "A claim does not have the required value.",
        client_not_allowed = "The token was issued to a client that is not allowed here.",
        cross_site_request = "The request came from another site.",
        email_not_allowed = "Your e-mail address is not of a domain that is allowed here.",
        email_not_verified = "Your e-mail address must be verified. Follow the link in the verification message, then log in again.",
        insufficient_scope = "The token lacks a required scope.",
        insufficient_user_authentication = "This needs a more recent or a stronger login.",
        invalid_header = "The Authorization header must be `Bearer`, a space and one token.",
        organization_required = "This needs a login for an organization, and yours is for none.",
        organization_not_allowed = "This needs a login for another organization than yours.",
        other_scheme = "The Authorization header must start with Bearer.",
        person_required = "The token belongs to a machine; a person's token is required.",
        refresh_required = "The session's key has expired. Renew it with POST /refresh and try again.",
        route_not_listed = "The list of routes does not contain this route.",
        session_ended = "The session has ended. Log in again.",
        token_without_session = "The token is valid, but its session has ended. Log in again.",
        two_tokens = "Send the token once, in the Authorization header.",
    }

    /// Why a token is rejected.
    Tokens {
        algorithm = "The token is signed with an algorithm not allowed here.",
        bound_to_key = "The token is bound to a key and cannot be used as a bearer token.",
        duplicate_claim = "The token contains a duplicate claim.",
        expired = "The token has expired. Log in again.",
        extension = "The token uses an extension that is not supported.",
        invalid_claim = "The token has a claim with an invalid value.",
        malformed = "The token is not a well-formed JWT.",
        missing_claim = "The token lacks a required claim.",
        not_a_jwt = "The token is not a signed JWT. Was it requested without an audience?",
        not_yet_valid = "The token is not valid yet.",
        other_access_token = "The token does not belong to the access token.",
        other_application = "The token was issued to another application.",
        other_audience = "The token is for another audience.",
        other_issuer = "The token is from another issuer.",
        other_kind = "The token is of another kind.",
        other_login = "The token belongs to another login.",
        signature = "The token's signature is not valid.",
        too_long = "The token is too long.",
        too_old = "The token was issued too long ago. Log in again.",
        too_old_authentication = "The last authentication is too long ago. Log in again.",
        unknown_key = "The token is signed with a key that is not known.",
    }
}

/// What the script says of the credential that it polls with.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "`TEXTS` has the text of each field")]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    pub accepted: &'static str,
    pub not_accepted: &'static str,
    pub ended: &'static str,
    pub session_ended: &'static str,
    pub session_ended_why: &'static str,
    pub renewed: &'static str,
    pub cannot_be_renewed: &'static str,
    pub not_renewed_now: &'static str,
}
