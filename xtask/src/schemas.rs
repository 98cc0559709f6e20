//! The schemas in `schema/`, made from the types of git-conductor.

use anyhow::{Context as _, Result, bail};
use git_conductor::commands::schemas::{refusal, shapes};
use git_conductor::record::Sprint;
use schemars::Schema;
use serde_json::{Map, Value, json};

use crate::Files;

/// The schemas, by the names of their files.
///
/// # Errors
///
/// If two facts of refusals have one name and cannot be told apart.
pub fn all() -> Result<Files> {
    let mut files = Files::new();
    let mut put = |name: &str, about: &str, schema: Value| {
        let text = serde_json::to_string_pretty(&finished(name, about, schema)?)?;
        files.insert(format!("{name}.json"), text + "\n");
        anyhow::Ok(())
    };
    for shape in shapes() {
        let mut schema = shape.schema.to_value();
        if WRITTEN_BY_PEOPLE.contains(&shape.name) {
            as_people_write(&mut schema)?;
        }
        put(shape.name, shape.about, schema)?;
    }
    let (shape, facts) = refusal();
    let facts: Vec<Value> = facts.into_iter().map(Schema::to_value).collect();
    put(shape.name, shape.about, united(shape.schema.to_value(), &facts)?)?;
    Ok(files)
}

/// What people write, of which every field must be known: who mistypes one means something by it.
const WRITTEN_BY_PEOPLE: &[&str] = &["config-file", "graph-file"];

/// Makes the schema of a graph as strict as its reader is.
fn as_people_write(schema: &mut Value) -> Result<()> {
    let phase = schema.pointer_mut("/$defs/PhaseEntry").context("a graph has phases")?;
    phase["additionalProperties"] = json!(false);
    let properties = phase["properties"].as_object_mut().context("a phase has properties")?;
    for property in properties.values_mut().filter_map(Value::as_object_mut) {
        never_null(property);
    }
    properties["name"]["pattern"] = json!("^[a-z0-9][a-z0-9_-]{0,63}$");
    properties["concurrency"]["enum"] = json!(["read", "write", "exclusive"]);
    properties["max_attempts"]["minimum"] = json!(1);
    let graph = schema.pointer_mut("/$defs/GraphObject").context("a graph can be an object")?;
    graph["additionalProperties"] = json!(false);
    let properties = graph["properties"].as_object_mut().context("a graph has properties")?;
    for property in properties.values_mut().filter_map(Value::as_object_mut) {
        never_null(property);
    }
    for field in Sprint::FIELDS {
        properties.entry(*field).or_insert_with(|| {
            json!({"description": "Of a sprint's record, which can be given as it is; not used."})
        });
    }
    Ok(())
}

/// Takes null out of what a property can be.
fn never_null(property: &mut Map<String, Value>) {
    if let Some(Value::Array(kinds)) = property.get("type") {
        let mut others = kinds.iter().filter(|kind| *kind != "null").cloned();
        let kind = Value::from(others.next());
        property.insert("type".to_owned(), kind);
    }
    if property.get("default").is_some_and(Value::is_null) {
        property.remove("default");
    }
}

/// `schema` with a title and a description, and without what only Rust's readers know.
fn finished(name: &str, about: &str, schema: Value) -> Result<Value> {
    let Value::Object(schema) = plain(schema) else { bail!("'{name}' is no object") };
    let mut whole = Map::new();
    let named = ["$schema", "title", "description"];
    whole.insert("$schema".to_owned(), schema.get("$schema").cloned().unwrap_or_default());
    whole.insert("title".to_owned(), json!(name));
    whole.insert("description".to_owned(), json!(about));
    whole.extend(schema.into_iter().filter(|(key, _)| !named.contains(&key.as_str())));
    Ok(Value::Object(whole))
}

/// Descriptions as text: links of Rust's documentation become the words that they are on, and lines
/// are joined. Formats of numbers go, which name types of Rust.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let each = object.into_iter().filter_map(|(key, value)| match (key.as_str(), value) {
                ("description", Value::String(text)) => {
                    let text = text.replace("[`", "`").replace("`]", "`").replace('\n', " ");
                    Some((key, Value::String(text)))
                }
                ("format", Value::String(format)) if is_number(&format) => None,
                (_, value) => Some((key, plain(value))),
            });
            Value::Object(each.collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(plain).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn is_number(format: &str) -> bool {
    format.trim_start_matches("uint").trim_start_matches("int").bytes().all(|b| b.is_ascii_digit())
}

/// `base` with the properties of all `facts`, each of which may be there or not: which of them are
/// depends on the code.
fn united(mut base: Value, facts: &[Value]) -> Result<Value> {
    let mut found: Map<String, Value> = Map::new();
    for schema in facts {
        gather(schema, schema, &mut found)?;
    }
    let object = base.as_object_mut().context("a refusal is an object")?;
    let mut definitions = object.remove("$defs").unwrap_or_else(|| json!({}));
    for schema in facts {
        for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
            let known = definitions.get(name);
            if known.is_some_and(|known| known != definition) {
                bail!("two types are called '{name}'");
            }
            definitions[name] = definition.clone();
        }
    }
    let properties = object.get_mut("properties").and_then(Value::as_object_mut);
    let properties = properties.context("a refusal has properties")?;
    for (name, schema) in found {
        if properties.contains_key(&name) {
            bail!("the fact '{name}' hides what every refusal has");
        }
        properties.insert(name, schema);
    }
    object.insert("$defs".to_owned(), used(&definitions, object));
    Ok(base)
}

/// Those of `definitions` that `object` names, directly or not.
fn used(definitions: &Value, object: &Map<String, Value>) -> Value {
    let mut wanted = vec![Value::Object(object.clone()).to_string()];
    let mut used: Map<String, Value> = Map::new();
    while let Some(text) = wanted.pop() {
        for (name, definition) in definitions.as_object().into_iter().flatten() {
            let named = text.contains(&format!("\"#/$defs/{name}\""));
            if named && !used.contains_key(name) {
                used.insert(name.clone(), definition.clone());
                wanted.push(definition.to_string());
            }
        }
    }
    used.sort_keys();
    Value::Object(used)
}

/// The properties that `schema` can give an object, also by what it consists of.
fn gather(schema: &Value, root: &Value, found: &mut Map<String, Value>) -> Result<()> {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let property = match found.get(name) {
            None => property.clone(),
            Some(known) => either(known, property),
        };
        found.insert(name.clone(), property);
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for part in schema[key].as_array().into_iter().flatten() {
            gather(part, root, found)?;
        }
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.strip_prefix('#').context("a reference within the schema")?;
        gather(root.pointer(pointer).context(reference.to_owned())?, root, found)?;
    }
    Ok(())
}

/// What allows what either of the two does. Of the same with different words the first has its say.
fn either(known: &Value, other: &Value) -> Value {
    let bare = |schema: &Value| {
        let mut schema = schema.clone();
        if let Some(object) = schema.as_object_mut() {
            object.remove("description");
        }
        schema
    };
    let mut choices: Vec<Value> = match known["anyOf"].as_array() {
        Some(choices) => choices.clone(),
        None => vec![bare(known)],
    };
    let others = match other["anyOf"].as_array() {
        Some(choices) => choices.clone(),
        None => vec![bare(other)],
    };
    for one in others {
        // An optional one allows what is always there.
        let narrower = |choice: &Value| match (choice["type"].as_array(), one["type"].as_str()) {
            (Some(kinds), Some(kind)) => kinds.iter().any(|it| it == kind),
            _ => *choice == one,
        };
        if !choices.iter().any(narrower) {
            let wider = one["type"].as_array().cloned();
            choices.retain(|choice| {
                !wider.as_ref().is_some_and(|kinds| kinds.contains(&choice["type"]))
            });
            choices.push(one);
        }
    }
    let mut whole = Map::new();
    if let Some(description) = known.get("description") {
        whole.insert("description".to_owned(), description.clone());
    }
    match choices.pop() {
        Some(Value::Object(only)) if choices.is_empty() => whole.extend(only),
        Some(last) => {
            choices.push(last);
            whole.insert("anyOf".to_owned(), Value::Array(choices));
        }
        None => {}
    }
    Value::Object(whole)
}
