//! The name, the logo and the colour of an application on its pages.

use url::Url;

use super::{
    Picture,
    contrast::{Colour, Scheme},
};
use crate::{issuer::is_https_or_local, settings::Settings};

/// How the pages show whose they are. Without settings they show neither name nor logo.
#[derive(Clone, Debug, Default)]
pub struct Branding {
    name: Option<String>,
    logo: Option<Picture>,
    accent: Option<Accent>,
}

/// The colour of links, buttons and marks, in both colour schemes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Accent {
    pub(super) light: Colour,
    pub(super) dark: Colour,
}

impl Branding {
    /// Reads `APP_NAME`, `LOGO_URL` and `ACCENT_COLOR`.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let inside_lambda = settings.inside_lambda();
        let name = settings.optional("APP_NAME", |text| {
            let fits = text.chars().count() <= MAX_NAME && !text.contains(char::is_control);
            fits.then(|| text.to_owned())
                .ok_or("must have at most 64 characters, and no control characters")
        });
        let logo = settings.optional("LOGO_URL", |text| {
            let url = Url::parse(text).map_err(|_| LOGO_MUST_BE)?;
            let is_allowed = is_https_or_local(&url, inside_lambda);
            let is_public = url.username().is_empty() && url.password().is_none();
            Picture::at(url).filter(|_| is_allowed && is_public).ok_or(LOGO_MUST_BE)
        });
        if settings.is_set("LOGO_URL") && !settings.is_set("APP_NAME") {
            settings
                .fault("LOGO_URL", "needs APP_NAME, the text for people who do not see the logo");
        }
        let accent = settings.optional("ACCENT_COLOR", Accent::parse);
        Some(Self { name: name.ok()?, logo: logo.ok()?, accent: accent.ok()? })
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) const fn logo(&self) -> Option<&Picture> {
        self.logo.as_ref()
    }

    pub(super) const fn accent(&self) -> Option<Accent> {
        self.accent
    }
}

/// The longest name, in characters.
const MAX_NAME: usize = 64;

const LOGO_MUST_BE: &str = "must be an address such as `https://example.com/logo.svg`, without a user (http is for a loopback host only)";

impl Accent {
    /// Checks the colour against what it is drawn on in the light scheme. A colour that is dark enough
    /// for that is too dark for the dark scheme. So the dark scheme has the first lighter shade that
    /// passes there.
    fn parse(text: &str) -> Result<Self, String> {
        let light = Colour::parse(text).ok_or("must be a colour such as `#2b4cc0`")?;
        let [light_scheme, dark_scheme] = Scheme::both();
        let first = light_scheme.with("accent", light).faults().next();
        if let Some((foreground, background, contrast, needed)) = first {
            return Err(format!(
                "must be darker: {foreground} on {background} has a contrast of {contrast:.1} : 1, not {needed} : 1"
            ));
        }
        let passes = |shade: &Colour| dark_scheme.with("accent", *shade).faults().next().is_none();
        let dark = (0..=u8::MAX).step_by(5).map(|share| light.lightened(share)).find(passes);
        Ok(Self { light, dark: dark.unwrap_or(Colour::WHITE) })
    }
}
