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

    /// The method.
    pub fn path(&self) -> &'static str {
        self.path
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::{policy::METHODS, souk::catalog::v1::SearchProductsRequest};

    use super::*;

    fn policy() -> &'static MethodPolicy {
        &METHODS["/souk.catalog.v1.CatalogService/SearchProducts"]
    }

    /// A field that no contract has: its number is far out.
    fn unknown(payload: &[u8]) -> Vec<u8> {
        let mut field = Vec::new();
        prost::encoding::bytes::encode(19_999, &payload.to_vec(), &mut field);
        field
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_question_in_one_form_or_none(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            if let Ok((key, _)) = Key::of(policy(), &bytes.into()) {
                let again = Key::of(policy(), key.message()).map(|(key, _)| key);
                prop_assert_eq!(again, Ok(key));
            }
        }

        #[test]
        fn variants_of_a_question_are_one(
            query in ".{0,20}",
            page_size in 0..100_i32,
            payload in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let message = SearchProductsRequest {
                query: query.clone(),
                page_size,
                ..SearchProductsRequest::default()
            };
            let plain = message.encode_to_vec();
            let (key, _) = Key::of(policy(), &plain.clone().into()).unwrap();
            let first = SearchProductsRequest { query, ..SearchProductsRequest::default() };
            let second = SearchProductsRequest { page_size, ..SearchProductsRequest::default() };
            let (first, second) = (first.encode_to_vec(), second.encode_to_vec());
            for variant in [
                [&unknown(&payload)[..], &plain].concat(),
                [&plain[..], &unknown(&payload)].concat(),
                [&second[..], &first].concat(),
                [&first[..], &first, &second, &second].concat(),
            ] {
                let (other, _) = Key::of(policy(), &variant.into()).unwrap();
                prop_assert_eq!(&other, &key);
            }
        }
    }
}
