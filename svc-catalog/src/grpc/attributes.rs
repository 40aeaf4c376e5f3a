//! `google.protobuf.Struct` ↔ attributes.

use prost_types::{ListValue, Struct, Value as Wire, value::Kind};
use serde_json::{Map, Value};

use crate::attributes::{Attributes, AttributesError, number};

/// Attributes out of a message.
pub(super) fn read(wire: Option<Struct>) -> Result<Attributes, AttributesError> {
    let fields = wire.unwrap_or_default().fields;
    let mut map = Map::new();
    for (name, value) in fields {
        map.insert(name, read_value(value)?);
    }
    Attributes::new(map)
}

fn read_value(wire: Wire) -> Result<Value, AttributesError> {
    match wire.kind {
        Some(Kind::StringValue(text)) => Ok(Value::String(text)),
        Some(Kind::NumberValue(value)) => number(value),
        Some(Kind::BoolValue(flag)) => Ok(Value::Bool(flag)),
        Some(Kind::ListValue(list)) => list
            .values
            .into_iter()
            .map(|item| match item.kind {
                Some(Kind::StringValue(text)) => Ok(Value::String(text)),
                _ => Err(AttributesError::Type),
            })
            .collect::<Result<_, _>>()
            .map(Value::Array),
        Some(Kind::StructValue(_) | Kind::NullValue(_)) | None => Err(AttributesError::Type),
    }
}

/// Attributes into a message.
pub(super) fn write(attributes: &Attributes) -> Struct {
    Struct {
        fields: attributes
            .iter()
            .map(|(name, value)| (name.clone(), write_value(value)))
            .collect(),
    }
}

fn write_value(value: &Value) -> Wire {
    let kind = match value {
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::Bool(flag) => Kind::BoolValue(*flag),
        Value::Array(list) => Kind::ListValue(ListValue {
            values: list.iter().map(write_value).collect(),
        }),
        Value::Null | Value::Object(_) => Kind::NullValue(0), // never kept
    };
    Wire { kind: Some(kind) }
}
