//! A question: a method and its message in canonical form. Two encodings of
//! one message are one question, so that nobody fills the cache with variants:
//! what the contract does not know is dropped, and the rest is encoded again.

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, Value};
use proto::policy::MethodPolicy;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    path: &'static str,
    message: Bytes,
}

/// The bytes are not the method's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a message of this method")]
pub struct Undecodable;

impl Key {
    /// Reads a request of a method; gives the message back for its tags.
    ///
    /// # Errors
    /// When the bytes do not decode.
    pub fn of(
        policy: &'static MethodPolicy,
        bytes: &Bytes,
    ) -> Result<(Self, DynamicMessage), Undecodable> {
        let mut message = DynamicMessage::decode(policy.descriptor.input(), bytes.clone())
            .map_err(|_| Undecodable)?;
        drop_unknown(&mut message);
        let key = Self {
            path: &policy.path,
            message: message.encode_to_vec().into(),
        };
        Ok((key, message))
    }

    /// A request as it came, undecoded. What was kept lies under canonical
    /// bytes, so whatever is found by these is found by right; what is not
    /// found may still be there, spelled differently: look again by
    /// [`Key::of`].
    pub fn as_it_came(policy: &'static MethodPolicy, bytes: &Bytes) -> Self {
        Self {
            path: &policy.path,
            message: bytes.clone(),
        }
    }

    /// The message as it is sent to the service.
    pub fn message(&self) -> &Bytes {
        &self.message
    }

    /// Its bytes in memory.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.message.len()
    }
}

fn drop_unknown(message: &mut DynamicMessage) {
    message.take_unknown_fields().for_each(drop);
    for (_, value) in message.fields_mut() {
        match value {
            Value::Message(inner) => drop_unknown(inner),
            Value::List(items) => items
                .iter_mut()
                .filter_map(Value::as_message_mut)
                .for_each(drop_unknown),
            _ => {}
        }
    }
}

/// Whether each of its messages has one canonical form. A map has none: its
/// entries are encoded in any order.
pub fn is_canonical(message: &MessageDescriptor) -> bool {
    fn visit(message: &MessageDescriptor, seen: &mut Vec<String>) -> bool {
        if seen.iter().any(|name| name == message.full_name()) {
            return true;
        }
        seen.push(message.full_name().to_owned());
        message.fields().all(|field| {
            !field.is_map()
                && match field.kind() {
                    Kind::Message(inner) => visit(&inner, seen),
                    _ => true,
                }
        })
    }
    visit(message, &mut Vec::new())
}
