//! Which request goes to which service. gRPC routes come from the contracts'
//! policies, so that a new method needs no change here; plain HTTP goes by the
//! table [`PREFIXES`] and by the origins of the configuration.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use http::Method;
use proto::policy::{Access, METHODS, MethodPolicy};

use crate::{cache::plan::CachePlan, site::Site};
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

/// What answers requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A service of the shop.
    Service(Service),
    /// An origin of its own.
    Origin(Site),
}

impl Target {
    /// Its name, for logs and metrics.
    pub fn name(&self) -> &str {
        match self {
            Self::Service(service) => service.name(),
            Self::Origin(site) => site.prefix(),
        }
    }
}

/// A part of the tree of plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    /// Paths begin with it.
    pub path: Cow<'static, str>,
    /// Where they go.
    pub target: Target,
    /// The methods that pass, as an `allow` header has them.
    pub methods: &'static str,
    /// Class of rate limit.
    pub limit: Limit,
}

/// What an origin of the configuration takes.
const ORIGIN_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// All plain HTTP that the edge lets through to services.
pub const PREFIXES: &[Prefix] = &[
    Prefix {
        path: Cow::Borrowed("/.well-known/"),
        target: Target::Service(Service::Identity),
        methods: "GET, HEAD",
        limit: Limit::Read,
    },
    // Signed by who sends them, which svc-payment checks. A provider tells of
    // everybody's payments from a few addresses: they are no more than reads.
    Prefix {
        path: Cow::Borrowed("/webhooks/"),
        target: Target::Service(Service::Payment),
        methods: "POST",
        limit: Limit::Read,
    },
];

impl Prefix {
    fn of(site: &Site) -> Self {
        Self {
            path: site.prefix().to_owned().into(),
            target: Target::Origin(site.clone()),
            methods: ORIGIN_METHODS,
            limit: Limit::Read,
        }
    }

    /// Whether a path lies in this part. What is said of folders holds for the
    /// path as the other side may read it.
    fn holds(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&*self.path);
        let is_inside = rest.is_some_and(|rest| {
            self.path.ends_with('/') || rest.is_empty() || rest.starts_with('/')
        });
        is_inside
            && match self.target {
                Target::Service(_) => is_plain(path),
                Target::Origin(_) => stays_inside(path),
            }
    }
}

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
    /// To plain HTTP.
    Prefix(Arc<Prefix>),
}

impl Route {
    /// What will answer.
    pub fn target(&self) -> Target {
        match self {
            Self::Method(route) => Target::Service(route.service),
            Self::Prefix(prefix) => prefix.target.clone(),
        }
    }

    /// The origin that will answer, when it is not a service.
    pub fn site(&self) -> Option<&Site> {
        match self {
            Self::Prefix(prefix) => match &prefix.target {
                Target::Origin(site) => Some(site),
                Target::Service(_) => None,
            },
            Self::Method(_) => None,
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
    pub fn name(&self) -> &str {
        match self {
            Self::Method(route) => &route.policy.path,
            Self::Prefix(prefix) => &prefix.path,
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
    /// The longest first.
    prefixes: Vec<Arc<Prefix>>,
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
        Self {
            methods,
            prefixes: PREFIXES.iter().cloned().map(Arc::new).collect(),
        }
    }

    /// With origins of the configuration besides.
    ///
    /// # Errors
    /// When two lie under the same prefix, or one under one of the shop's.
    pub fn with_origins(mut self, sites: &[Site]) -> anyhow::Result<Self> {
        for site in sites {
            let bare = |path: &str| path.trim_end_matches('/').to_owned();
            let taken = self
                .prefixes
                .iter()
                .any(|prefix| bare(&prefix.path) == bare(site.prefix()));
            anyhow::ensure!(!taken, "\"{}\" leads somewhere already", site.prefix());
            self.prefixes.push(Arc::new(Prefix::of(site)));
        }
        self.prefixes
            .sort_by_key(|prefix| std::cmp::Reverse(prefix.path.len()));
        Ok(self)
    }

    /// The route of a path.
    pub fn find(&self, path: &str) -> Option<Route> {
        if let Some(route) = self.methods.get(path) {
            return Some(Route::Method(Arc::clone(route)));
        }
        if METHODS.contains_key(path) {
            return None; // INTERNAL, whatever else may lie there
        }
        self.prefixes
            .iter()
            .find(|prefix| path.starts_with(&*prefix.path) && prefix.holds(path))
            .cloned()
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

/// Whether a path has no step back, also when its escapes are read and the
/// parameters of its parts are left out (RFC 3986, section 3.3).
fn stays_inside(path: &str) -> bool {
    if !path.contains(['%', '\\']) {
        return has_no_step_back(path);
    }
    let read = path
        .to_ascii_lowercase()
        .replace("%2e", ".")
        .replace("%2f", "/")
        .replace("%5c", "/")
        .replace("%3b", ";")
        .replace('\\', "/");
    has_no_step_back(&read)
}

fn has_no_step_back(path: &str) -> bool {
    !path.split('/').any(|part| {
        let name = part.split(';').next();
        matches!(name, Some("." | ".."))
    })
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
            assert_eq!(route.target(), Target::Service(service), "{path}");
        }
    }

    #[test]
    fn an_origin_takes_what_lies_under_its_prefix() {
        let sites: Vec<Site> = [
            "/media=http://a:1",
            "/media/big/=http://b:1",
            "/=http://c:1",
        ]
        .iter()
        .map(|site| site.parse().unwrap())
        .collect();
        let routes = Routes::from_contracts().with_origins(&sites).unwrap();
        let leads = |path: &str| {
            let route = routes.find(path)?;
            Some(route.target().name().to_owned())
        };
        for (path, target) in [
            ("/media", "/media"),
            ("/media/x%20y", "/media"),
            ("/media/a..;b=c/x;d", "/media"),
            ("/mediax", "/"),
            ("/media/big/x", "/media/big/"),
            ("/media/big", "/media"),
            ("/", "/"),
            ("/.well-known/jwks.json", "identity"),
            ("/webhooks/stripe", "payment"),
        ] {
            assert_eq!(leads(path).as_deref(), Some(target), "{path}");
        }
        for path in [
            "/media/../x",
            "/media/%2e%2E/x",
            "/media/..%2fx",
            "/media/..\\x",
            "/media/..;/x",
            "/media/..;a=b/x",
            "/media/%2E%2e%3Ba/x",
            "/media/x/.;/y",
            "/media/..;",
            "/souk.payment.v1.PaymentService/LookUpPayment",
        ] {
            assert_eq!(leads(path), None, "{path}");
        }
    }

    #[test]
    fn two_origins_cannot_have_one_prefix() {
        for prefix in ["/webhooks", "/.well-known/", "/a/"] {
            let sites = ["/a=http://a:1".to_owned(), format!("{prefix}=http://b:1")];
            let sites: Vec<Site> = sites.iter().map(|site| site.parse().unwrap()).collect();
            assert!(
                Routes::from_contracts().with_origins(&sites).is_err(),
                "{prefix}"
            );
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
