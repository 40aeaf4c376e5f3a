//! Which request goes to which service. gRPC routes come from the contracts'
//! policies, so that a new method needs no change here; plain HTTP goes by the
//! table [`PREFIXES`].

use std::{collections::HashMap, sync::Arc};

use http::Method;
use proto::policy::{Access, METHODS, MethodPolicy};

use crate::cache::plan::CachePlan;
pub use proto::policy::Limit;

/// A service behind the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// svc-identity
    Identity,
    /// svc-catalog
    Catalog,
    /// svc-order
    Order,
    /// svc-payment
    Payment,
    /// svc-notify
    Notify,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Identity,
        Self::Catalog,
        Self::Order,
        Self::Payment,
        Self::Notify,
    ];

    /// Its name, for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Catalog => "catalog",
            Self::Order => "order",
            Self::Payment => "payment",
            Self::Notify => "notify",
        }
    }

    /// The service that owns a package of the contracts.
    fn of_package(package: &str) -> Option<Self> {
        Some(match package {
            "souk.identity.v1" => Self::Identity,
            "souk.catalog.v1" => Self::Catalog,
            "souk.order.v1" => Self::Order,
            "souk.payment.v1" => Self::Payment,
            "souk.notify.v1" => Self::Notify,
            _ => return None,
        })
    }
}

/// A part of the tree of plain HTTP.
#[derive(Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Paths begin with it.
    pub path: &'static str,
    /// Where they go.
    pub service: Service,
    /// The methods that pass, as an `allow` header has them.
    pub methods: &'static str,
    /// Class of rate limit.
    pub limit: Limit,
}

/// All plain HTTP that the edge lets through.
pub const PREFIXES: &[Prefix] = &[
    Prefix {
        path: "/.well-known/",
        service: Service::Identity,
        methods: "GET, HEAD",
        limit: Limit::Read,
    },
    // Signed by who sends them, which svc-payment checks. A provider tells of
    // everybody's payments from a few addresses: they are no more than reads.
    Prefix {
        path: "/webhooks/",
        service: Service::Payment,
        methods: "POST",
        limit: Limit::Read,
    },
];

/// A gRPC method that callers from outside may name.
#[derive(Debug)]
pub struct MethodRoute {
    /// Its policy, from the contracts.
    pub policy: &'static MethodPolicy,
    /// Where it goes.
    pub service: Service,
    /// How its answers are kept, when they may be.
    pub cache: Option<CachePlan>,
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub enum Route {
    /// To a gRPC method.
    Method(Arc<MethodRoute>),
    /// To a service's plain HTTP.
    Prefix(&'static Prefix),
}

impl Route {
    /// The service that will answer.
    pub fn service(&self) -> Service {
        match self {
            Self::Method(route) => route.service,
            Self::Prefix(prefix) => prefix.service,
        }
    }

    /// Its class of rate limit.
    pub fn limit(&self) -> Limit {
        match self {
            Self::Method(route) => route.policy.limit,
            Self::Prefix(prefix) => prefix.limit,
        }
    }

    /// Its name for logs and metrics: one of a closed set.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Method(route) => &route.policy.path,
            Self::Prefix(prefix) => prefix.path,
        }
    }

    /// Who may call.
    pub fn access(&self) -> Access {
        match self {
            Self::Method(route) => route.policy.access,
            Self::Prefix(_) => Access::Public,
        }
    }

    /// The HTTP methods that it takes.
    pub fn methods(&self) -> &'static str {
        match self {
            Self::Method(_) => "POST",
            Self::Prefix(prefix) => prefix.methods,
        }
    }

    /// Whether it takes this HTTP method.
    pub fn takes(&self, method: &Method) -> bool {
        self.methods()
            .split(", ")
            .any(|name| name == method.as_str())
    }

    /// Whether a call goes on for as long as both sides like.
    pub fn is_stream(&self) -> bool {
        matches!(self, Self::Method(route) if route.policy.streaming)
    }

    /// Whether it may be repeated without harm.
    pub fn is_repeatable(&self) -> bool {
        match self {
            Self::Method(route) => route.policy.no_side_effects && !route.policy.streaming,
            // Whoever posts repeats it by itself.
            Self::Prefix(prefix) => !prefix.methods.contains("POST"),
        }
    }
}

/// All routes.
#[derive(Debug, Clone)]
pub struct Routes {
    methods: HashMap<&'static str, Arc<MethodRoute>>,
}

impl Routes {
    /// Reads the contracts. What is INTERNAL is left out: for the edge it does
    /// not exist.
    pub fn from_contracts() -> Self {
        let methods = METHODS
            .values()
            .filter(|policy| policy.access != Access::Internal)
            .filter_map(|policy| {
                let service = Service::of_package(&policy.package)?;
                let route = MethodRoute {
                    policy,
                    service,
                    cache: CachePlan::of(policy),
                };
                Some((policy.path.as_str(), Arc::new(route)))
            })
            .collect();
        Self { methods }
    }

    /// The route of a path.
    pub fn find(&self, path: &str) -> Option<Route> {
        if let Some(route) = self.methods.get(path) {
            return Some(Route::Method(Arc::clone(route)));
        }
        PREFIXES
            .iter()
            .find(|prefix| path.starts_with(prefix.path) && is_plain(path))
            .map(Route::Prefix)
    }
}

/// Whether a path says where it leads, without steps back or escapes that a
/// service could read differently than we do.
fn is_plain(path: &str) -> bool {
    path.split('/')
        .skip(1)
        .all(|part| part != "." && part != "..")
        && !path.contains("//")
        && !path.contains(['%', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_goes_to_the_service_of_its_package() {
        let routes = Routes::from_contracts();
        for (path, service) in [
            (
                "/souk.catalog.v1.CatalogService/GetProduct",
                Service::Catalog,
            ),
            ("/souk.identity.v1.IdentityService/LogIn", Service::Identity),
            ("/souk.order.v1.OrderService/WatchOrder", Service::Order),
            ("/.well-known/jwks.json", Service::Identity),
            ("/webhooks/stripe", Service::Payment),
        ] {
            let route = routes.find(path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!(route.service(), service, "{path}");
        }
    }

    #[test]
    fn what_is_internal_or_unknown_has_no_route() {
        let routes = Routes::from_contracts();
        for path in [
            "/souk.payment.v1.PaymentService/LookUpPayment",
            "/souk.catalog.v1.CatalogService/Nothing",
            "/souk.catalog.v1.CatalogService/GetProduct/",
            "/grpc.health.v1.Health/Check",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/",
            "/.well-known",
            "/webhooks",
            "/webhooks/../metrics",
            "/.well-known/../metrics",
            "/.well-known/%2e%2e/metrics",
            "/.well-known//x",
            "*",
        ] {
            assert!(routes.find(path).is_none(), "{path}");
        }
        let internal = METHODS
            .values()
            .filter(|policy| policy.access == Access::Internal);
        for policy in internal {
            assert!(routes.find(&policy.path).is_none(), "{}", policy.path);
        }
    }

    #[test]
    fn every_open_method_has_a_route() {
        let routes = Routes::from_contracts();
        for policy in METHODS.values().filter(|p| p.access != Access::Internal) {
            assert!(routes.find(&policy.path).is_some(), "{}", policy.path);
        }
    }
}
