//! Reads what the template declares: routes, functions with their environment, tables, the authorizer.
//!
//! It supports the parts of CloudFormation that the template uses, which are `!Ref`, `!Sub`, `!GetAtt` and conditions. It rejects
//! everything that it does not understand, so that the local service never silently differs from the deployed one.

mod api;
mod policies;
mod resolver;
mod values;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value, json};

pub use api::{Authorizer, Cors, Route};
pub use policies::Allowed;

use api::overwritten;
use policies::{allowed, take_logging};
use resolver::{Resolver, long_form};
use values::{object, scalar_text, text_at};

use crate::workspace::workspace;

/// The template, resolved with its parameters.
#[derive(Clone, Debug)]
pub struct Template {
    /// The routes of the HTTP API, by path.
    pub routes: Vec<Route>,
    /// The functions, by logical id.
    pub functions: BTreeMap<String, Function>,
    /// The tables that the stack creates.
    pub tables: Vec<Table>,
    /// The settings of the JWT authorizer.
    pub authorizer: Authorizer,
    /// The CORS settings for web apps of other origins.
    pub cors: Cors,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The name of its executable.
    pub binary: String,
    /// The operation that the function implements.
    pub description: String,
    /// The function's environment variables.
    pub environment: BTreeMap<String, String>,
    /// The time after which Lambda gives up an invocation.
    pub timeout: Duration,
    /// The function's memory, in MB.
    pub memory_mb: u64,
    /// The permissions of the function's role, except that to write the function's log.
    pub allowed: BTreeSet<Allowed>,
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The table's name, which is its logical id locally.
    pub name: String,
    /// The input of `CreateTable`.
    pub create: Value,
    /// The attribute that holds the expiry time of items.
    pub ttl_attribute: Option<String>,
}

impl Table {
    /// Returns the key of an item of the table.
    #[must_use]
    pub fn key_of(&self, item: &Value) -> Value {
        let names = self.create["KeySchema"].as_array().into_iter().flatten();
        let names = names.filter_map(|part| part["AttributeName"].as_str());
        names.map(|name| (name.to_owned(), item[name].clone())).collect::<Map<_, _>>().into()
    }
}

impl Template {
    /// Reads the repository's template, with a placeholder for each parameter that has no default.
    pub fn of_the_repository() -> Result<Self> {
        Self::on_one_address(&Self::something_given())
    }

    /// Returns a placeholder for each parameter that has no default.
    #[must_use]
    pub fn something_given() -> HashMap<&'static str, String> {
        let given = ["JwtIssuer", "JwtAudience", "MessageCopyAppKey", "MessageCopyAppSecret"];
        HashMap::from(given.map(|name| (name, "x".to_owned())))
    }

    /// Reads the repository's template with these parameters, with everything behind its HTTP API. A local service has only one
    /// address, so the feed has no separate endpoint.
    pub fn on_one_address(parameters: &HashMap<&str, String>) -> Result<Self> {
        let mut parameters = parameters.clone();
        parameters.insert("FeedEndpoint", "HttpApi".to_owned());
        Self::parse(&text_of_template()?, &parameters).context("in infra/template.yaml")
    }

    /// Returns the properties of the repository's resources of one type, by logical id, resolved with these parameters.
    pub fn resources(wanted: &str, parameters: &HashMap<&str, String>) -> Result<BTreeMap<String, Value>> {
        let template = long_form(serde_norway::from_str(&text_of_template()?)?)?;
        let created =
            CreatedResources { resolver: &Resolver::new(&template, parameters)?, template: &template };
        created
            .of_type(wanted)
            .map(|entry| entry.map(|(id, _, properties)| (id.clone(), properties)))
            .collect()
    }

    /// Returns the names of the functions to which the repository's template gives a Function URL.
    pub fn behind_urls() -> Result<BTreeSet<String>> {
        let functions = Self::of_the_repository()?.functions;
        let urls = Self::resources("AWS::Lambda::Url", &Self::something_given())?;
        let targets = urls.values().filter_map(|url| url["TargetFunctionArn"].as_str()?.strip_suffix(".Arn"));
        Ok(targets.filter_map(|id| Some(functions.get(id)?.binary.clone())).collect())
    }

    /// Returns the repository's parameters with their defaults.
    pub fn parameters() -> Result<BTreeMap<String, Option<String>>> {
        let template = long_form(serde_norway::from_str(&text_of_template()?)?)?;
        let parameters = object(&template, "Parameters")?.iter();
        Ok(parameters.map(|(name, of)| (name.clone(), scalar_text(&of["Default"]))).collect())
    }

    fn parse(text: &str, parameters: &HashMap<&str, String>) -> Result<Self> {
        let template = long_form(serde_norway::from_str(text)?)?;
        let resolver = Resolver::new(&template, parameters)?;
        let created = CreatedResources { resolver: &resolver, template: &template };
        let of_type = |wanted: &'static str| created.of_type(wanted);
        let roles =
            of_type("AWS::IAM::Role").map(|entry| entry.map(|(id, _, role)| (format!("{id}.Arn"), role)));
        let roles: HashMap<String, Value> = roles.collect::<Result<_>>()?;
        let mut functions = BTreeMap::new();
        for entry in of_type("AWS::Serverless::Function") {
            let (id, resource, properties) = entry?;
            let globals = resolver.resolve(&template["Globals"]["Function"])?;
            let role = properties["Role"].as_str().and_then(|role| roles.get(role));
            let role = role.ok_or_else(|| anyhow!("{id} has no role"))?;
            functions.insert(
                id.clone(),
                Function::new(resource, &properties, &globals, role).context(id.clone())?,
            );
        }
        let mut integrations = HashMap::new();
        for entry in of_type("AWS::ApiGatewayV2::Integration") {
            let (id, _, properties) = entry?;
            let function = text_at(&properties, "/IntegrationUri")?.trim_end_matches(".Arn").to_owned();
            if !functions.contains_key(&function) {
                bail!("{id} integrates {function}, which is not a function");
            }
            integrations.insert(id.clone(), (function, overwritten(&properties)));
        }
        let mut routes = Vec::new();
        for entry in of_type("AWS::ApiGatewayV2::Route") {
            let (id, _, properties) = entry?;
            let target = text_at(&properties, "/Target")?.trim_start_matches("integrations/");
            let (function, overwritten) =
                integrations.get(target).ok_or_else(|| anyhow!("{id} has no integration {target}"))?;
            let key = text_at(&properties, "/RouteKey")?;
            let (method, path) =
                key.split_once(' ').ok_or_else(|| anyhow!("{id}: {key} is not a route key"))?;
            routes.push(Route {
                path: path.to_owned(),
                method: method.to_owned(),
                function: function.clone(),
                authorized: properties["AuthorizationType"] == "JWT",
                overwritten: overwritten.clone(),
            });
        }
        routes.sort();
        let tables = of_type("AWS::DynamoDB::Table")
            .map(|entry| entry.map(|(id, _, properties)| Table::new(id, &properties)))
            .collect::<Result<_>>()?;
        let (_, _, authorizer) =
            of_type("AWS::ApiGatewayV2::Authorizer").next().ok_or_else(|| anyhow!("no authorizer"))??;
        let authorizer = Authorizer::new(&authorizer)?;
        let (_, _, api) = of_type("AWS::ApiGatewayV2::Api").next().ok_or_else(|| anyhow!("no API"))??;
        let cors = Cors::new(&api["CorsConfiguration"])?;
        Ok(Self { routes, functions, tables, authorizer, cors })
    }
}

fn text_of_template() -> Result<String> {
    let path = workspace().join("infra/template.yaml");
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The resources that a template creates with its parameters.
struct CreatedResources<'a> {
    template: &'a Value,
    resolver: &'a Resolver<'a>,
}

impl<'a> CreatedResources<'a> {
    /// Returns the created resources of one type: the logical id, the resource, and its resolved properties.
    fn of_type(&self, wanted: &str) -> impl Iterator<Item = Result<(&'a String, &'a Value, Value)>> {
        let resources = self.template["Resources"].as_object().into_iter().flatten();
        resources.filter(move |(_, resource)| resource["Type"] == wanted).filter_map(|(id, resource)| {
            match self.resolver.is_created(resource) {
                Ok(false) => None,
                created => {
                    let properties = created.and_then(|_| self.resolver.resolve(&resource["Properties"]));
                    Some(
                        properties
                            .map(|properties| (id, resource, properties))
                            .with_context(|| format!("in {id}")),
                    )
                }
            }
        })
    }
}

impl Function {
    fn new(resource: &Value, properties: &Value, globals: &Value, role: &Value) -> Result<Self> {
        let number = |name: &str| {
            let value = [properties, globals].into_iter().find_map(|of| scalar_text(&of[name]));
            value.and_then(|value| value.parse().ok()).ok_or_else(|| anyhow!("no number {name}"))
        };
        let mut environment = BTreeMap::new();
        for of in [globals, properties] {
            let variables = of.pointer("/Environment/Variables").and_then(Value::as_object);
            for (name, value) in variables.into_iter().flatten() {
                environment.insert(
                    name.clone(),
                    scalar_text(value).ok_or_else(|| anyhow!("{name} is not a string"))?,
                );
            }
        }
        let mut allowed = allowed(&role["Policies"])?;
        take_logging(&mut allowed, text_at(properties, "/LoggingConfig/LogGroup")?)?;
        Ok(Self {
            binary: text_at(resource, "/Metadata/BuildProperties/Binary")?.to_owned(),
            description: text_at(properties, "/Description")?.to_owned(),
            environment,
            timeout: Duration::from_secs(number("Timeout")?),
            memory_mb: number("MemorySize")?,
            allowed,
        })
    }
}

impl Table {
    /// Creates a table. CloudFormation names the properties of a table as `CreateTable` does.
    fn new(id: &str, properties: &Value) -> Self {
        let mut create = json!({ "TableName": id });
        for name in ["AttributeDefinitions", "KeySchema", "LocalSecondaryIndexes", "BillingMode"] {
            if !properties[name].is_null() {
                create[name] = properties[name].clone();
            }
        }
        let ttl = properties.pointer("/TimeToLiveSpecification/AttributeName").and_then(Value::as_str);
        Self { name: id.to_owned(), create, ttl_attribute: ttl.map(str::to_owned) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "
Parameters:
  Issuer: { Type: String }
  Days: { Type: Number, Default: 30 }
Conditions: { Long: !Not [!Equals [!Ref Days, 30]] }
Globals:
  Function: { Timeout: 6, MemorySize: 128, Environment: { Variables: { TABLE: !Ref Table, DAYS: !Ref Days } } }
Resources:
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties: { CorsConfiguration: { AllowOrigins: 'http://a, http://b', AllowMethods: [GET, POST], MaxAge: 60 } }
  Other:
    Type: AWS::DynamoDB::Table
    Condition: Long
    Properties: { KeySchema: !Ref Nothing }
  Table:
    Type: AWS::DynamoDB::Table
    Properties: { KeySchema: [], TimeToLiveSpecification: { AttributeName: expiresAt } }
  Authorizer:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties: { JwtConfiguration: { Issuer: !Ref Issuer, Audience: 'a, b' } }
  Fn:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: fn } }
    Properties: { Role: !GetAtt FnRole.Arn, LoggingConfig: { LogGroup: !Ref Log }, Description: doIt, MemorySize: !If [Long, !Ref Days, 256], Gone: !If [Long, 1, !Ref AWS::NoValue], Environment: { Variables: { URL: !Sub 'x/${Issuer}/${Table.Arn}' } } }
  Log: { Type: AWS::Logs::LogGroup }
  FnRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - { Effect: Allow, Action: [logs:CreateLogStream, logs:PutLogEvents], Resource: !GetAtt Log.Arn }
              - !If [Long, { Effect: Allow, Action: c, Resource: '*' }, !Ref AWS::NoValue]
              - { Effect: Allow, Action: [a, b], Resource: !GetAtt Table.Arn }
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties: { IntegrationUri: !GetAtt Fn.Arn, ResponseParameters: { '500': { ResponseParameters: [{ Destination: overwrite:statuscode, Source: '503' }] } } }
  Route:
    Type: AWS::ApiGatewayV2::Route
    Properties: { RouteKey: GET /x, Target: !Sub 'integrations/${Integration}', AuthorizationType: JWT }
";

    fn parse(text: &str) -> Result<Template> {
        Template::parse(text, &HashMap::from([("Issuer", "me".to_owned())]))
    }

    #[test]
    fn references_are_resolved() {
        let template = parse(TEMPLATE).unwrap();
        assert_eq!(
            template.routes,
            [Route {
                path: "/x".into(),
                method: "GET".into(),
                function: "Fn".into(),
                authorized: true,
                overwritten: BTreeMap::from([("500".into(), "503".into())]),
            }]
        );
        let function = &template.functions["Fn"];
        assert_eq!(
            (function.binary.as_str(), function.memory_mb, function.timeout.as_secs()),
            ("fn", 256, 6)
        );
        let allowed: Vec<_> =
            function.allowed.iter().map(|of| format!("{} {}", of.action, of.resource)).collect();
        assert_eq!(allowed, ["a Table.Arn", "b Table.Arn"], "besides its own log");
        let environment: Vec<_> =
            function.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(environment, ["DAYS=30", "TABLE=Table", "URL=x/me/Table.Arn"]);
        assert_eq!(template.tables.len(), 1, "resources that are not created are not read");
        assert_eq!(template.tables[0].create, json!({"TableName": "Table", "KeySchema": []}));
        assert_eq!(template.tables[0].ttl_attribute.as_deref(), Some("expiresAt"));
        assert_eq!(template.cors.allow_origins, ["http://a", "http://b"]);
        assert_eq!(template.cors.allow_methods, ["GET", "POST"]);
        assert_eq!(
            template.authorizer,
            Authorizer { issuer: "me".into(), audience: vec!["a".into(), "b".into()] }
        );
    }

    #[test]
    fn unsupported_parts_are_rejected() {
        assert!(Template::parse(TEMPLATE, &HashMap::new()).is_err(), "a parameter is missing");
        for (from, to) in [
            ("!Ref Table", "!Ref Nothing"),
            ("!Ref Table", "!Join [a, [b]]"),
            ("${Integration}", "${Nothing}"),
            ("!GetAtt Fn.Arn", "!GetAtt Table.Arn"),
            ("Binary: fn", "Other: fn"),
            ("If [Long", "If [Nothing"),
        ] {
            assert!(parse(&TEMPLATE.replace(from, to)).is_err(), "{to}");
        }
    }
}
