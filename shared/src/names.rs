//! The stable names of log events and errors, which alarms and clients compare.
//!
//! `functions/README.md` explains each of them.

/// Declares an enum of stable names, with all of them in `ALL`.
macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[expect(missing_docs, reason = "functions/README.md explains each name")]
        pub enum $type {
            $($variant,)+
        }

        impl $type {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in a log or a response.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

names! {
    /// The `event` of a log line.
    LogEvent {
        AnswerHeaderDropped = "answer.header_dropped",
        AuthorizerDecided = "authorizer.decided",
        BackchannelLogoutFailed = "backchannel_logout.failed",
        BackchannelLogoutRefused = "backchannel_logout.refused",
        BackchannelLogoutReplayed = "backchannel_logout.replayed",
        BackchannelLogoutSucceeded = "backchannel_logout.succeeded",
        HomeFailed = "home.failed",
        LoginDropped = "login.dropped",
        LoginFailed = "login.failed",
        LoginNotStarted = "login.not_started",
        LoginRefused = "login.refused",
        LoginReplayed = "login.replayed",
        LoginRestarted = "login.restarted",
        LoginSucceeded = "login.succeeded",
        LoginUnknown = "login.unknown",
        LoginUserinfoUnavailable = "login.userinfo_unavailable",
        LoginMethodsUnavailable = "login_methods.unavailable",
        LogoutCompleted = "logout.completed",
        LogoutEverywhere = "logout.everywhere",
        LogoutFailed = "logout.failed",
        LogoutProviderUnreachable = "logout.provider_unreachable",
        LogoutRefused = "logout.refused",
        LogoutSucceeded = "logout.succeeded",
        PageFailed = "page.failed",
        ProviderFetched = "provider.fetched",
        ProviderNotShared = "provider.not_shared",
        ProviderRowUnusable = "provider.row_unusable",
        ProviderUnavailable = "provider.unavailable",
        RefreshFailed = "refresh.failed",
        RefreshLeaseNotGivenUp = "refresh.lease_not_given_up",
        RefreshRefused = "refresh.refused",
        RefreshSessionEnded = "refresh.session_ended",
        RefreshSessionNotEnded = "refresh.session_not_ended",
        RefreshSucceeded = "refresh.succeeded",
        RefreshTokenNotRevoked = "refresh_token.not_revoked",
        RequestAnonymous = "request.anonymous",
        RequestAnswered = "request.answered",
        RequestFailed = "request.failed",
        RequestPanicked = "request.panicked",
        RequestRefused = "request.refused",
        RequestTimedOut = "request.timed_out",
        RequestTooLarge = "request.too_large",
        RequestUnreadable = "request.unreadable",
        RuntimeUnreachable = "runtime.unreachable",
        SecretRefreshed = "secret.refreshed",
        SecretUnavailable = "secret.unavailable",
        SessionUnreadable = "session.unreadable",
        StoreRowUnreadable = "store.row_unreadable",
    }
}

names! {
    /// The `code` of an error response.
    ErrorCode {
        AccessDenied = "access_denied",
        AuthorizationHeaderMissing = "authorization_header_missing",
        BodyTooLarge = "body_too_large",
        ClaimNotAllowed = "claim_not_allowed",
        ClientNotAllowed = "client_not_allowed",
        ContextTooLarge = "context_too_large",
        CrossSiteRequest = "cross_site_request",
        EmailNotAllowed = "email_not_allowed",
        EmailNotVerified = "email_not_verified",
        IdentityProviderAnswer = "identity_provider_answer",
        IdentityProviderUnavailable = "identity_provider_unavailable",
        InsufficientScope = "insufficient_scope",
        InsufficientUserAuthentication = "insufficient_user_authentication",
        InternalError = "internal_error",
        InvalidAudience = "invalid_audience",
        InvalidAuthorizedParty = "invalid_authorized_party",
        InvalidEvent = "invalid_event",
        InvalidHeader = "invalid_header",
        InvalidIssuer = "invalid_issuer",
        InvalidRequest = "invalid_request",
        LoginEnded = "login_ended",
        LoginExpired = "login_expired",
        LoginFailed = "login_failed",
        LoginRefused = "login_refused",
        LoginUnknown = "login_unknown",
        MethodNotAllowed = "method_not_allowed",
        Misconfigured = "misconfigured",
        NotANavigation = "not_a_navigation",
        NotFound = "not_found",
        NotRefreshable = "not_refreshable",
        OrganizationNotAllowed = "organization_not_allowed",
        OrganizationRequired = "organization_required",
        PersonRequired = "person_required",
        ProxyRequired = "proxy_required",
        RefreshInProgress = "refresh_in_progress",
        RefreshRequired = "refresh_required",
        RouteNotListed = "route_not_listed",
        SecretUnavailable = "secret_unavailable",
        SessionEnded = "session_ended",
        SessionStoreUnavailable = "session_store_unavailable",
        TemporarilyUnavailable = "temporarily_unavailable",
        Timeout = "timeout",
        TokenAlgorithmNotAllowed = "token_algorithm_not_allowed",
        TokenBoundToKey = "token_bound_to_key",
        TokenEncrypted = "token_encrypted",
        TokenExpired = "token_expired",
        TokenExtensionNotSupported = "token_extension_not_supported",
        TokenInvalidClaim = "token_invalid_claim",
        TokenInvalidSignature = "token_invalid_signature",
        TokenMalformed = "token_malformed",
        TokenMissingClaim = "token_missing_claim",
        TokenNotYetValid = "token_not_yet_valid",
        TokenOpaque = "token_opaque",
        TokenTooOld = "token_too_old",
        TokenTypeNotAllowed = "token_type_not_allowed",
        TokenUnknownKey = "token_unknown_key",
        UriTooLong = "uri_too_long",
        WildcardInPath = "wildcard_in_path",
    }
}
