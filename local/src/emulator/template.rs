//! The project's `template.yaml`, as CloudFormation would deploy it.
//!
//! ```no_run
//! use local::emulator::template::Template;
//!
//! let stack = Template::read("template.yaml".as_ref()).deploy(&[("AuthHost", "tenant.auth0.com")], &[]);
//! for function in stack.functions() {
//!     println!("{}: {:?}, {:?}", function.binary, function.routes, function.environment);
//! }
//! ```

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// The parsed template. Intrinsic functions are in their long form: `!Ref X` is `{"Ref": "X"}`.
#[derive(Clone, Debug)]
pub struct Template(Value);

/// The template with values for its parameters and names for its resources.
#[derive(Clone, Debug)]
pub struct Stack {
    template: Value,
    parameters: BTreeMap<String, String>,
    names: BTreeMap<String, String>,
}

/// One `AWS::Serverless::Function`.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its logical id in the template.
    pub logical_id: String,
    /// The name of its binary, or its logical id in lower case if it has none.
    pub binary: String,
    /// Its code, if it has no binary.
    pub interpreted: Option<InterpretedCode>,
    /// Its sorted route keys, such as `ANY /login` or `$default`.
    pub routes: Vec<String>,
    /// The name of the authorizer of each protected route, by route.
    pub guarded: BTreeMap<String, String>,
    /// The time limit of an invocation.
    pub timeout: Duration,
    /// Its memory in MB.
    pub memory: u32,
    /// Its environment variables, including those of `Globals`.
    pub environment: BTreeMap<String, String>,
    /// Its permissions, except for logs and traces.
    pub statements: Vec<Statement>,
}

/// Code that the runtime of its language runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InterpretedCode {
    /// `python3.13`
    pub runtime: String,
    /// `index.handler`
    pub handler: String,
    /// Where the code is.
    pub source: Source,
}

/// Where the code of a function is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// In the template: this text.
    Inline(String),
    /// In this folder, relative to the template.
    Folder(String),
}

/// An authorizer of the API: a function with payload format 2.0 and simple responses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authorizer {
    /// The logical id of the function.
    pub function: String,
    /// Whether the gateway rejects requests without certain headers or parameters.
    pub has_identity_sources: bool,
    /// How many seconds the gateway may cache a result.
    pub result_ttl: u64,
}

/// The permissions that a policy statement grants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statement {
    /// `dynamodb:GetItem`
    pub actions: Vec<String>,
    /// ARNs.
    pub resources: Vec<String>,
    /// Conditions: values by operator and key.
    pub conditions: BTreeMap<(String, String), Vec<String>>,
}

impl Statement {
    /// The key prefixes of the rows to which the statement is limited.
    #[must_use]
    pub fn rows(&self) -> Vec<&str> {
        let patterns = self.values("ForAllValues:StringLike", "dynamodb:LeadingKeys");
        patterns.iter().map(|pattern| pattern.trim_end_matches('*')).collect()
    }

    /// The attributes to which the statement is limited; empty if it covers whole rows.
    #[must_use]
    pub fn attributes(&self) -> &[String] {
        self.values("ForAllValues:StringEquals", "dynamodb:Attributes")
    }

    fn values(&self, operator: &str, key: &str) -> &[String] {
        let found = self.conditions.get(&(operator.to_owned(), key.to_owned()));
        found.map_or(&[], Vec::as_slice)
    }
}

impl Template {
    /// Reads the file at `path`.
    ///
    /// # Panics
    ///
    /// Panics for a file that is unreadable or no YAML.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let name = path.display();
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let yaml = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self(long_form(yaml.first().unwrap_or_else(|| panic!("{name} is empty"))))
    }

    /// The definition of a parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> &Value {
        &self.0["Parameters"][name]
    }

    /// The parameters that need a value.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        let parameters = object(&self.0["Parameters"]).iter();
        parameters
            .filter(|(_, parameter)| parameter.get("Default").is_none())
            .map(|(name, _)| name.as_str())
    }

    /// The template with values for `parameters`; the others have their defaults.
    ///
    /// `names` contains the values of `!Ref X` and `!GetAtt X.Y` for resources, such as `("Table",
    /// "sessions")` and `("Table.Arn", "arn:…")`. Without a value, the reference itself is used:
    /// `Table`, `Table.Arn`.
    #[must_use]
    pub fn deploy(&self, parameters: &[(&str, &str)], names: &[(&str, &str)]) -> Stack {
        let mut values = BTreeMap::from(
            [
                ("AWS::AccountId", "123456789012"),
                ("AWS::Partition", "aws"),
                ("AWS::Region", "eu-central-1"),
                ("AWS::StackName", "stack"),
                ("AWS::URLSuffix", "amazonaws.com"),
            ]
            .map(owned),
        );
        for (name, parameter) in object(&self.0["Parameters"]) {
            let given = parameters.iter().find(|(given, _)| given == name);
            let value = given.map(|(_, value)| (*value).to_owned());
            let value = value.or_else(|| Some(text(parameter.get("Default")?)));
            values.extend(value.map(|value| (name.clone(), value)));
        }
        for (given, _) in parameters {
            assert!(
                self.0["Parameters"].get(*given).is_some(),
                "the template has no parameter {given}"
            );
        }
        let names = names.iter().copied().map(owned).collect();
        Stack { template: self.0.clone(), parameters: values, names }
    }
}

impl Stack {
    /// The functions whose condition holds, sorted by logical id.
    #[must_use]
    pub fn functions(&self) -> Vec<Function> {
        let functions = self.resources().filter(|(_, resource)| {
            let condition = resource.get("Condition");
            resource["Type"] == "AWS::Serverless::Function"
                && condition.is_none_or(|condition| self.holds(&text(condition)))
        });
        functions.map(|(id, _)| self.function(id)).collect()
    }

    /// The authorizers of the API, by name.
    ///
    /// # Panics
    ///
    /// Panics for an unsupported kind of authorizer, and for a default authorizer.
    #[must_use]
    pub fn authorizers(&self) -> BTreeMap<String, Authorizer> {
        let auth = &self.template["Resources"]["HttpApi"]["Properties"]["Auth"];
        assert_eq!(auth.get("DefaultAuthorizer"), None, "the login must need no authorization");
        let authorizers = auth.get("Authorizers").into_iter().flat_map(object);
        authorizers.map(|(name, authorizer)| (name.clone(), self.authorizer(authorizer))).collect()
    }

    /// All resources by logical id, unresolved.
    pub fn resources(&self) -> impl Iterator<Item = (&str, &Value)> {
        object(&self.template["Resources"]).iter().map(|(id, resource)| (id.as_str(), resource))
    }

    /// The settings of each of the API's routes.
    #[must_use]
    pub fn route_settings(&self) -> BTreeMap<String, Value> {
        let settings = &self.template["Resources"]["HttpApi"]["Properties"]["RouteSettings"];
        object(settings).iter().map(|(route, own)| (route.clone(), self.resolve(own))).collect()
    }

    /// The statements of the managed policy `id`.
    #[must_use]
    pub fn managed_policy(&self, id: &str) -> Vec<Statement> {
        let document = &self.template["Resources"][id]["Properties"]["PolicyDocument"];
        self.statements(document)
    }

    /// Resolves the intrinsic functions in `value`. `Null` is `AWS::NoValue`.
    ///
    /// # Panics
    ///
    /// Panics for a parameter with neither a value nor a default, and for an unsupported intrinsic
    /// function.
    #[must_use]
    pub fn resolve(&self, value: &Value) -> Value {
        match value {
            Value::Array(items) => {
                items.iter().map(|item| self.resolve(item)).filter(|item| !item.is_null()).collect()
            }
            Value::Object(fields) => match fields.iter().next() {
                Some((name, argument)) if fields.len() == 1 && is_intrinsic(name) => {
                    self.intrinsic(name, argument)
                }
                _ => fields
                    .iter()
                    .map(|(name, field)| (name.clone(), self.resolve(field)))
                    .filter(|(_, field)| !field.is_null())
                    .collect(),
            },
            other => other.clone(),
        }
    }

    fn function(&self, id: &str) -> Function {
        let resource = &self.template["Resources"][id];
        let properties = &resource["Properties"];
        let globals = &self.template["Globals"]["Function"];
        let environment = [globals, properties]
            .into_iter()
            .filter_map(|part| part["Environment"].get("Variables"))
            .flat_map(|variables| object(variables).clone())
            .map(|(name, value)| (name, text(&self.resolve(&value))))
            .collect();
        let own_or_global = |name| self.resolve(properties.get(name).unwrap_or(&globals[name]));
        let number = |name| {
            let value = own_or_global(name);
            text(&value).parse::<u32>().unwrap_or_else(|_| panic!("{id} has no {name}: {value}"))
        };
        let no_events = json!({});
        let events = object(properties.get("Events").unwrap_or(&no_events)).values();
        let mut routes: Vec<_> = events.clone().map(route).collect();
        routes.sort();
        let guarded = events.filter_map(|event| {
            let authorizer = event["Properties"]["Auth"].get("Authorizer")?;
            Some((route(event), text(authorizer)))
        });
        let runtime = text(&own_or_global("Runtime"));
        let interpreted = (!runtime.starts_with("provided")).then(|| InterpretedCode {
            runtime,
            handler: text(&own_or_global("Handler")),
            source: match properties.get("InlineCode") {
                Some(code) => Source::Inline(text(code)),
                None => Source::Folder(text(&properties["CodeUri"])),
            },
        });
        let binary = match interpreted {
            Some(_) => id.to_lowercase(),
            None => text(&resource["Metadata"]["BuildProperties"]["Binary"]),
        };
        let policies = list(&properties["Policies"]);
        let statements = policies.into_iter().flat_map(|policy| {
            assert!(policy.is_object(), "{id} has a policy that is not written out: {policy}");
            self.statements(policy)
        });
        Function {
            logical_id: id.to_owned(),
            binary,
            interpreted,
            routes,
            guarded: guarded.collect(),
            timeout: Duration::from_secs(number("Timeout").into()),
            memory: number("MemorySize"),
            environment,
            statements: statements.collect(),
        }
    }

    fn authorizer(&self, authorizer: &Value) -> Authorizer {
        let authorizer = self.resolve(authorizer);
        assert_eq!(authorizer["AuthorizerPayloadFormatVersion"], "2.0", "{authorizer}");
        assert_eq!(authorizer["EnableSimpleResponses"], true, "{authorizer}");
        let identity = object(&authorizer["Identity"]);
        let function = text(&authorizer["FunctionArn"]);
        Authorizer {
            function: function.strip_suffix(".Arn").expect("an ARN").to_owned(),
            has_identity_sources: identity.keys().any(|name| name != "ReauthorizeEvery"),
            result_ttl: identity["ReauthorizeEvery"].as_u64().expect("seconds"),
        }
    }

    fn statements(&self, policy: &Value) -> Vec<Statement> {
        let statements = self.resolve(&policy["Statement"]);
        list(&statements).into_iter().map(|statement| self.statement(statement)).collect()
    }

    /// Reads a statement of effect `Allow`. Panics for unsupported elements.
    fn statement(&self, statement: &Value) -> Statement {
        let statement = self.resolve(statement);
        let mut names: Vec<_> = object(&statement).keys().map(String::as_str).collect();
        names.sort_unstable();
        names.retain(|name| *name != "Condition");
        assert_eq!(names, ["Action", "Effect", "Resource"], "{statement}");
        assert_eq!(statement["Effect"], "Allow");
        let texts = |value| -> Vec<_> { list(value).into_iter().map(text).collect() };
        let mut conditions = BTreeMap::new();
        for (operator, keys) in statement.get("Condition").into_iter().flat_map(object) {
            for (key, values) in object(keys) {
                conditions.insert((operator.clone(), key.clone()), texts(values));
            }
        }
        Statement {
            actions: texts(&statement["Action"]),
            resources: texts(&statement["Resource"]),
            conditions,
        }
    }

    fn intrinsic(&self, name: &str, argument: &Value) -> Value {
        let both = |argument: &Value| {
            let [left, right] = &list(argument)[..] else { panic!("{name} takes two: {argument}") };
            (self.resolve(left), self.resolve(right))
        };
        match name {
            "Ref" if argument == "AWS::NoValue" => Value::Null,
            "Ref" => json!(self.name(&text(argument))),
            "Fn::GetAtt" => json!(self.attribute(&text(argument))),
            "Fn::Sub" => json!(self.substitute(&text(argument))),
            "Fn::If" => {
                let [condition, yes, no] = &list(argument)[..] else {
                    panic!("{name} takes three: {argument}")
                };
                self.resolve(if self.holds(&text(condition)) { yes } else { no })
            }
            "Fn::Equals" => {
                let (left, right) = both(argument);
                json!(text(&left) == text(&right))
            }
            "Fn::Not" => json!(!truth(&self.resolve(list(argument)[0]))),
            "Fn::And" => {
                let (left, right) = both(argument);
                json!(truth(&left) && truth(&right))
            }
            "Condition" => json!(self.holds(&text(argument))),
            other => panic!("{other} is not supported"),
        }
    }

    fn holds(&self, condition: &str) -> bool {
        let expression = &self.template["Conditions"][condition];
        assert!(!expression.is_null(), "there is no condition {condition}");
        truth(&self.resolve(expression))
    }

    fn name(&self, name: &str) -> String {
        if let Some(value) = self.parameters.get(name) {
            return value.clone();
        }
        // SAM creates `HttpApi.Stage` as part of another resource, and `LoginRole` beside `Login`.
        let resource = name.split('.').next().unwrap_or_default();
        let resource = resource.strip_suffix("Role").unwrap_or(resource);
        assert!(self.template["Resources"].get(resource).is_some(), "{name} has no value");
        self.names.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    fn attribute(&self, name: &str) -> String {
        let (resource, _) = name.split_once('.').expect("an attribute has a resource");
        assert!(self.template["Resources"].get(resource).is_some(), "there is no {resource}");
        self.names.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    fn substitute(&self, pattern: &str) -> String {
        let mut parts = pattern.split("${");
        let mut result = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').expect("a ${ has its }");
            result += &if name.contains('.') { self.attribute(name) } else { self.name(name) };
            result += rest;
        }
        result
    }
}

/// The route key: `ANY /login`, or `$default` without a path.
fn route(event: &Value) -> String {
    assert_eq!(event["Type"], "HttpApi");
    match event["Properties"].get("Path") {
        Some(path) => format!("{} {}", text(&event["Properties"]["Method"]), text(path)),
        None => "$default".to_owned(),
    }
}

fn is_intrinsic(name: &str) -> bool {
    name.starts_with("Fn::") || matches!(name, "Condition" | "Ref")
}

/// Converts YAML to JSON, with `!Name value` as `{"Fn::Name": value}`.
fn long_form(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Tagged(tag, value) => {
            let name = match tag.suffix.as_str() {
                name @ ("Condition" | "Ref") => name.to_owned(),
                name => format!("Fn::{name}"),
            };
            Value::Object(Map::from_iter([(name, long_form(value))]))
        }
        Yaml::Sequence(items) => items.iter().map(long_form).collect(),
        Yaml::Mapping(fields) => {
            fields.iter().map(|(name, value)| (text(&long_form(name)), long_form(value))).collect()
        }
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::String(value)) => json!(value),
        other => panic!("template.yaml contains {other:?}"),
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("expected an object, found {value}"))
}

/// CloudFormation treats a single value as a list with one element.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// CloudFormation treats numbers and booleans as text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        other => panic!("expected text, found {other}"),
    }
}

fn truth(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| panic!("expected a condition, found {value}"))
}
