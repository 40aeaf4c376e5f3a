//! The policies of all methods, read from the compiled contracts.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use prost::Message as _;
use prost_reflect::{DescriptorPool, MethodDescriptor};

use crate::souk::policy::v1 as pb;

/// The contracts at run time.
pub static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the build script has just compiled these bytes"
    )]
    DescriptorPool::decode(crate::DESCRIPTORS).expect("the embedded descriptors decode")
});

/// All methods of the contracts by path: "/souk.order.v1.OrderService/GetOrder".
pub static METHODS: LazyLock<BTreeMap<String, MethodPolicy>> = LazyLock::new(|| {
    POOL.services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|method| {
            let policy = MethodPolicy::of(&method);
            (policy.path.clone(), policy)
        })
        .collect()
});

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Who is logged in.
    Customer,
    /// Who has the role "staff".
    Staff,
    /// Services of the mesh; also every method without a policy.
    Internal,
}

/// Class of rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Limit {
    /// Cheap reads; also what names no class.
    Read,
    /// Changes.
    Write,
    /// Searches.
    Search,
    /// Passwords and codes.
    Auth,
}

/// How the edge keeps answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// How long an answer is fresh.
    pub ttl: Duration,
    /// How long a stale answer may be served while a fresh one is fetched.
    pub stale_while_revalidate: Duration,
    /// How long a stale answer may be served while the service fails.
    pub stale_if_error: Duration,
    /// Purge tags, with `{field}` for request fields.
    pub tags: Vec<String>,
}

/// One method and how it is treated.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodPolicy {
    /// "/souk.order.v1.OrderService/GetOrder".
    pub path: String,
    /// "souk.order.v1".
    pub package: String,
    /// Who may call it.
    pub access: Access,
    /// Whether and how answers are cached.
    pub cache: Option<Cache>,
    /// Class of rate limit.
    pub limit: Limit,
    /// The longest that a unary call may take.
    pub timeout: Option<Duration>,
    /// It changes nothing: it may be repeated.
    pub no_side_effects: bool,
    /// Either side streams.
    pub streaming: bool,
    /// The method's own descriptor, for its message types.
    pub descriptor: MethodDescriptor,
}

impl MethodPolicy {
    fn of(method: &MethodDescriptor) -> Self {
        // The option is an extension, so its bytes are read through reflection.
        let options = method.options();
        let stated = POOL
            .get_extension_by_name("souk.policy.v1.method")
            .filter(|extension| options.has_extension(extension))
            .and_then(|extension| {
                let value = options.get_extension(&extension);
                let bytes = value.as_message()?.encode_to_vec();
                pb::Method::decode(bytes.as_slice()).ok()
            });
        let no_side_effects = method
            .method_descriptor_proto()
            .options
            .as_ref()
            .is_some_and(|options| {
                options.idempotency_level()
                    == prost_types::method_options::IdempotencyLevel::NoSideEffects
            });
        let stated = stated.unwrap_or_default();
        Self {
            path: format!("/{}/{}", method.parent_service().full_name(), method.name()),
            package: method.parent_service().package_name().to_owned(),
            access: match stated.access() {
                pb::Access::Public => Access::Public,
                pb::Access::Customer => Access::Customer,
                pb::Access::Staff => Access::Staff,
                pb::Access::Internal | pb::Access::Unspecified => Access::Internal,
            },
            limit: match stated.limit() {
                pb::Limit::Write => Limit::Write,
                pb::Limit::Search => Limit::Search,
                pb::Limit::Auth => Limit::Auth,
                pb::Limit::Read | pb::Limit::Unspecified => Limit::Read,
            },
            cache: stated.cache.as_ref().map(|cache| Cache {
                ttl: duration(cache.ttl.as_ref()),
                stale_while_revalidate: duration(cache.stale_while_revalidate.as_ref()),
                stale_if_error: duration(cache.stale_if_error.as_ref()),
                tags: cache
                    .tags
                    .split(',')
                    .map(|tag| tag.trim().to_owned())
                    .filter(|tag| !tag.is_empty())
                    .collect(),
            }),
            timeout: stated
                .timeout
                .as_ref()
                .map(|timeout| duration(Some(timeout))),
            no_side_effects,
            streaming: method.is_client_streaming() || method.is_server_streaming(),
            descriptor: method.clone(),
        }
    }
}

fn duration(proto: Option<&prost_types::Duration>) -> Duration {
    proto
        .and_then(|proto| Duration::try_from(*proto).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_without_a_policy_is_internal() {
        let method = &METHODS["/souk.payment.v1.PaymentService/LookUpPayment"];
        assert_eq!(method.access, Access::Internal);
    }

    #[test]
    fn the_policy_in_the_contract_is_the_policy_at_run_time() {
        let method = &METHODS["/souk.catalog.v1.CatalogService/GetProduct"];
        assert_eq!(method.access, Access::Public);
        assert!(method.no_side_effects);
        let cache = method.cache.as_ref().unwrap();
        assert_eq!(cache.ttl, Duration::from_mins(10));
        assert_eq!(cache.tags, ["product:{id}"]);
    }

    #[test]
    fn only_public_reads_are_cached() {
        for method in METHODS.values().filter(|method| method.cache.is_some()) {
            assert_eq!(method.access, Access::Public, "{}", method.path);
            assert!(
                method.no_side_effects && !method.streaming,
                "{}",
                method.path
            );
        }
    }
}
