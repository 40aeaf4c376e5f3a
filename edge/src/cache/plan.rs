//! How the answers of one method are kept: its policy, read once at the start.

use prost_reflect::{DynamicMessage, Value};
use proto::policy::{Access, MethodPolicy};
use uuid::Uuid;

use super::{
    entry::Lifetime,
    epochs::{self, Slot},
    key,
};

/// How the answers of a method are kept.
#[derive(Debug)]
pub struct CachePlan {
    /// How long they are good.
    pub lifetime: Lifetime,
    tags: Vec<Tag>,
}

/// "product:{id}", taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Tag(Vec<Part>);

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A path of field names.
    Field(Vec<String>),
}

impl CachePlan {
    /// The plan of a method whose answers may be kept at all: those of PUBLIC
    /// unary reads that have a policy for it.
    pub fn of(policy: &MethodPolicy) -> Option<Self> {
        let cache = policy.cache.as_ref()?;
        if policy.access != Access::Public || !policy.no_side_effects || policy.streaming {
            return None;
        }
        if !key::is_canonical(&policy.descriptor.input()) {
            tracing::warn!(
                method = policy.path,
                "requests have maps, so they cannot be told apart: not cached"
            );
            return None;
        }
        Some(Self {
            lifetime: Lifetime {
                ttl: cache.ttl,
                stale_while_revalidate: cache.stale_while_revalidate,
                stale_if_error: cache.stale_if_error,
            },
            tags: cache.tags.iter().map(|tag| Tag::parse(tag)).collect(),
        })
    }

    /// The slots of a request's tags.
    pub fn slots(&self, request: &DynamicMessage) -> Vec<Slot> {
        self.tags
            .iter()
            .map(|tag| epochs::slot(&tag.fill(request)))
            .collect()
    }
}

impl Tag {
    fn parse(template: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((text, after)) = rest.split_once('{') {
            let Some((field, after)) = after.split_once('}') else {
                break;
            };
            parts.push(Part::Text(text.to_owned()));
            parts.push(Part::Field(field.split('.').map(str::to_owned).collect()));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Self(parts)
    }

    fn fill(&self, request: &DynamicMessage) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Field(path) => field(request, path).unwrap_or_default(),
            })
            .collect()
    }
}

fn field(message: &DynamicMessage, path: &[String]) -> Option<String> {
    let (name, rest) = path.split_first()?;
    let value = message.get_field_by_name(name)?;
    if !rest.is_empty() {
        return field(value.as_message()?, rest);
    }
    Some(match &*value {
        // An id has many spellings and is purged by one.
        Value::String(text) => {
            Uuid::try_parse(text).map_or_else(|_| text.clone(), |id| id.hyphenated().to_string())
        }
        Value::Bool(value) => value.to_string(),
        Value::I32(value) | Value::EnumNumber(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proto::policy::METHODS;

    use super::*;

    fn filled(template: &str, request: &DynamicMessage) -> String {
        Tag::parse(template).fill(request)
    }

    #[test]
    fn a_tag_takes_the_request_s_fields() {
        let search = &METHODS["/souk.catalog.v1.CatalogService/SearchProducts"];
        let mut request = DynamicMessage::new(search.descriptor.input());
        request.set_field_by_name("query", Value::String("bag".to_owned()));
        request.set_field_by_name("page_size", Value::I32(7));
        assert_eq!(filled("q:{query}:{page_size}!", &request), "q:bag:7!");
        assert_eq!(filled("c:{filter.category_id}", &request), "c:");
        assert_eq!(filled("products", &request), "products");
        assert_eq!(filled("x:{nothing}", &request), "x:");
    }

    #[test]
    fn all_spellings_of_an_id_are_one_tag() {
        let get = &METHODS["/souk.catalog.v1.CatalogService/GetProduct"];
        for id in [
            "01890a5d-ac96-774b-bcce-b302099a8057",
            "01890A5D-AC96-774B-BCCE-B302099A8057",
            "01890a5dac96774bbcceb302099a8057",
            "{01890a5d-ac96-774b-bcce-b302099a8057}",
        ] {
            let mut request = DynamicMessage::new(get.descriptor.input());
            request.set_field_by_name("id", Value::String(id.to_owned()));
            let tag = filled("product:{id}", &request);
            assert_eq!(tag, "product:01890a5d-ac96-774b-bcce-b302099a8057");
        }
    }

    #[test]
    fn only_answers_of_public_unary_reads_are_kept() {
        let get = &METHODS["/souk.catalog.v1.CatalogService/GetProduct"];
        assert!(CachePlan::of(get).is_some());
        for other in [
            MethodPolicy {
                access: Access::Customer,
                ..get.clone()
            },
            MethodPolicy {
                no_side_effects: false,
                ..get.clone()
            },
            MethodPolicy {
                streaming: true,
                ..get.clone()
            },
        ] {
            assert!(CachePlan::of(&other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn every_method_with_a_cache_policy_has_a_plan() {
        for policy in METHODS.values() {
            assert_eq!(
                CachePlan::of(policy).is_some(),
                policy.cache.is_some(),
                "{}",
                policy.path
            );
        }
    }
}
