//! The payload of an event, decoded by its type, without secrets and personal
//! data: of the messages that `proto` redacts, only what may be shown is.

use prost_reflect::{DynamicMessage, MapKey, ReflectMessage as _, Value};
use proto::policy::POOL;
use proto::shown_fields;
use serde_json::{Map, Value as Json, json};

/// What stands in the place of what is not shown.
const MASK: &str = "(not shown)";

/// The event of that type, for people. What cannot be decoded is not shown at
/// all: nobody knows what it holds.
pub fn shown(event_type: &str, payload: &[u8]) -> Json {
    let Some(descriptor) = POOL.get_message_by_name(event_type) else {
        return json!(format!("{} bytes of an unknown type", payload.len()));
    };
    match DynamicMessage::decode(descriptor, payload) {
        Ok(message) => message_shown(&message),
        Err(error) => json!(format!(
            "{} bytes that are no {event_type}: {error}",
            payload.len()
        )),
    }
}

fn message_shown(message: &DynamicMessage) -> Json {
    let descriptor = message.descriptor();
    let allowed = shown_fields(descriptor.full_name());
    let fields = message.fields().map(|(field, value)| {
        let hidden = allowed.is_some_and(|allowed| !allowed.contains(&field.name()));
        let value = if hidden {
            json!(MASK)
        } else {
            value_shown(value)
        };
        (field.name().to_owned(), value)
    });
    Json::Object(fields.collect::<Map<_, _>>())
}

fn value_shown(value: &Value) -> Json {
    match value {
        Value::Bool(value) => json!(value),
        Value::I32(value) | Value::EnumNumber(value) => json!(value),
        Value::I64(value) => json!(value),
        Value::U32(value) => json!(value),
        Value::U64(value) => json!(value),
        Value::F32(value) => json!(value),
        Value::F64(value) => json!(value),
        Value::String(value) => json!(value),
        Value::Bytes(value) => json!(format!("{} bytes", value.len())),
        Value::Message(message) => message_shown(message),
        Value::List(values) => values.iter().map(value_shown).collect(),
        Value::Map(values) => values
            .iter()
            .map(|(key, value)| (key_shown(key), value_shown(value)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

fn key_shown(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use proto::events::Event as _;
    use proto::souk::event::v1::{AccountRegistered, OrderPlaced, OrderedLine, PaymentRequested};

    use super::*;

    #[test]
    fn an_event_is_shown_field_by_field() {
        let event = OrderPlaced {
            order_id: "o".to_owned(),
            lines: vec![OrderedLine {
                product_id: "p".to_owned(),
                quantity: 2,
            }],
            ..OrderPlaced::default()
        };
        assert_eq!(
            shown(OrderPlaced::TYPE, &event.encode_to_vec()),
            json!({"order_id": "o", "lines": [{"product_id": "p", "quantity": 2}]})
        );
    }

    #[test]
    fn personal_data_and_secrets_are_masked() {
        let account = AccountRegistered {
            account_id: "a".to_owned(),
            email: "ada@example.org".to_owned(),
            display_name: "Ada".to_owned(),
        };
        let payment = PaymentRequested {
            order_id: "o".to_owned(),
            payment_token: "tok_secret".to_owned(),
            ..PaymentRequested::default()
        };
        let account = shown(AccountRegistered::TYPE, &account.encode_to_vec());
        let payment = shown(PaymentRequested::TYPE, &payment.encode_to_vec());
        assert_eq!(
            account,
            json!({"account_id": "a", "email": MASK, "display_name": MASK})
        );
        assert_eq!(payment, json!({"order_id": "o", "payment_token": MASK}));
    }

    #[test]
    fn what_cannot_be_decoded_is_only_measured() {
        let said = shown("souk.event.v1.Unknown", b"ada@example.org").to_string();
        assert!(said.contains("15 bytes") && !said.contains("ada"), "{said}");
        let said = shown(OrderPlaced::TYPE, b"\x7fada").to_string();
        assert!(said.contains("4 bytes") && !said.contains("ada"), "{said}");
    }
}
