//! The settings of a deployed stack, from the answer of `aws cloudformation describe-stacks`.

use serde::Deserialize;
use shared::settings::Settings;

/// The text is not the description of one stack of this template.
#[derive(Debug, thiserror::Error)]
#[error("the file is not an answer of `aws cloudformation describe-stacks` with one stack in it")]
pub struct NotAStack;

/// The parameters that the provider's settings depend on, and their variables.
const PARAMETERS: [(&str, &str); 9] = [
    ("AuthHost", "AUTH_HOST"),
    ("ProviderName", "PROVIDER_NAME"),
    ("AuthEndpointHosts", "AUTH_ENDPOINT_HOSTS"),
    ("ClientId", "CLIENT_ID"),
    ("ClientAuth", "CLIENT_AUTH"),
    ("Organization", "ORGANIZATION"),
    ("Audience", "AUDIENCE"),
    ("Scope", "SCOPE"),
    ("Connections", "CONNECTIONS"),
];

/// The variables of `environment` that count beside a stack's parameters.
const OF_ENVIRONMENT: [&str; 7] = [
    "CLIENT_SECRET",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "https_proxy",
    "no_proxy",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    stacks: [Stack; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stack {
    parameters: Vec<Parameter>,
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    parameter_key: String,
    parameter_value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    output_key: String,
    output_value: String,
}

/// The settings of the stack that `description` describes. CloudFormation does not return the client
/// secret: it is taken from `environment`, unless that names another application.
///
/// # Errors
///
/// When the text does not describe one stack of this template.
pub fn settings(
    description: &[u8],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Settings, NotAStack> {
    let Described { stacks: [stack] } =
        serde_json::from_slice(description).map_err(|_| NotAStack)?;
    let parameter = |key: &str| {
        let found = stack.parameters.iter().find(|parameter| parameter.parameter_key == key);
        found.map(|parameter| parameter.parameter_value.clone())
    };
    let url = stack.outputs.iter().find(|output| output.output_key == "Url").ok_or(NotAStack)?;
    let client_id = parameter("ClientId").ok_or(NotAStack)?;

    let environment: Vec<_> = environment.into_iter().collect();
    let is_of_another_application =
        environment.iter().any(|(name, value)| name == "CLIENT_ID" && *value != client_id);
    let kept = environment.into_iter().filter(|(name, _)| {
        OF_ENVIRONMENT.contains(&name.as_str())
            && !(is_of_another_application && name == "CLIENT_SECRET")
    });
    let parameters = PARAMETERS
        .iter()
        .filter_map(|(key, variable)| Some(((*variable).to_owned(), parameter(key)?)));
    let base_url = [("BASE_URL".to_owned(), url.output_value.clone())];
    Ok(Settings::from_values(kept.chain(parameters).chain(base_url)))
}
