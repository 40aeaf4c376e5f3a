//! A question as people write it: one line of JSON that names a method and
//! gives its request. [`Key`] is the same for the cache.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DynamicMessage, SerializeOptions};
use proto::policy::METHODS;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    cache::key::Key,
    route::{MethodRoute, Route, Routes},
};

/// A question: `{"method": "/souk.catalog.v1.CatalogService/GetProduct",
/// "request": {"id": "…"}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Its path.
    pub method: String,
    /// Its request, as protobuf's JSON has it.
    #[serde(default)]
    pub request: Value,
}

/// Why a line is not a question that the cache can answer.
#[derive(Debug, thiserror::Error)]
pub enum NoQuestion {
    /// It is something else.
    #[error("not a question: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Nobody outside can call it.
    #[error("no method \"{0}\"")]
    MethodUnknown(String),
    /// The contract states no cache for it.
    #[error("answers of {0} are not kept")]
    NotKept(String),
    /// It is a message of another kind.
    #[error("not a request of {method}: {source}")]
    RequestMalformed {
        /// The method.
        method: String,
        /// What is wrong.
        source: serde_json::Error,
    },
}

impl Question {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is no question.
    pub fn read(line: &[u8]) -> Result<Self, NoQuestion> {
        Ok(serde_json::from_slice(line)?)
    }

    /// The question of a key. What it shows is what the contract knows.
    pub fn of(key: &Key) -> Option<Self> {
        let descriptor = METHODS.get(key.path())?.descriptor.input();
        let message = DynamicMessage::decode(descriptor, key.message().clone()).ok()?;
        let options = SerializeOptions::new().use_proto_field_name(true);
        let request = message.serialize_with_options(serde_json::value::Serializer, &options);
        Some(Self {
            method: key.path().to_owned(),
            request: request.ok()?,
        })
    }

    /// The method and the encoded request.
    ///
    /// # Errors
    /// When there is no such method, its answers are not kept, or the request
    /// is not one of its.
    pub fn resolve(self, routes: &Routes) -> Result<(Arc<MethodRoute>, Bytes), NoQuestion> {
        let Self { method, request } = self;
        let Some(Route::Method(route)) = routes.find(&method) else {
            return Err(NoQuestion::MethodUnknown(method));
        };
        if route.cache.is_none() {
            return Err(NoQuestion::NotKept(method));
        }
        let request = match request {
            Value::Null => Value::Object(serde_json::Map::new()),
            request => request,
        };
        let message = DynamicMessage::deserialize(route.policy.descriptor.input(), request)
            .map_err(|source| NoQuestion::RequestMalformed { method, source })?;
        Ok((route, message.encode_to_vec().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET_PRODUCT: &str = "/souk.catalog.v1.CatalogService/GetProduct";
    const SEARCH: &str = "/souk.catalog.v1.CatalogService/SearchProducts";

    fn resolved(line: &str) -> Result<(Arc<MethodRoute>, Bytes), NoQuestion> {
        Question::read(line.as_bytes())?.resolve(&Routes::from_contracts())
    }

    #[test]
    fn a_question_is_read_back_as_it_was_written() {
        for line in [
            format!(r#"{{"method":"{GET_PRODUCT}","request":{{"id":"7"}}}}"#),
            format!(
                r#"{{"method":"{SEARCH}","request":{{"query":"bag","filter":{{"category_id":"x"}},"page_size":5}}}}"#
            ),
        ] {
            let (route, message) = resolved(&line).unwrap();
            let (key, _) = Key::of(route.policy, &message).unwrap();
            let question = Question::of(&key).unwrap();
            let same: Question = serde_json::from_str(&line).unwrap();
            assert_eq!(question, same);
        }
    }

    #[test]
    fn what_is_no_question_is_told_why() {
        for (line, why) in [
            ("", "not a question"),
            ("[]", "not a question"),
            (r#"{"method": 7}"#, "not a question"),
            (r#"{"method": "/x", "more": 1}"#, "unknown field"),
            (r#"{"method": "/x"}"#, "no method \"/x\""),
            (
                r#"{"method": "/souk.order.v1.OrderService/GetCart"}"#,
                "answers of /souk.order.v1.OrderService/GetCart are not kept",
            ),
            (
                &format!(r#"{{"method": "{GET_PRODUCT}", "request": {{"ident": "7"}}}}"#),
                "not a request of",
            ),
            (
                &format!(r#"{{"method": "{GET_PRODUCT}", "request": {{"id": 7}}}}"#),
                "not a request of",
            ),
        ] {
            let error = resolved(line).unwrap_err().to_string();
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
