//! The contracts of Souk: generated messages, servers and clients, the event
//! table and the method policies. It holds no logic of any service.

pub mod events;
pub mod policy;
mod redact;

pub use redact::shown_fields;

/// The compiled contracts, with the methods' options: what the edge takes its
/// routes from and what server reflection answers.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/souk.binpb"));

/// The generated code, in the tree of its packages.
#[expect(
    missing_docs,
    clippy::pedantic,
    clippy::allow_attributes,
    reason = "generated code is documented in its .proto files"
)]
pub mod souk {
    /// Money and addresses.
    pub mod r#type {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("souk.r#type.v1");
        }
    }
    /// Method policies.
    pub mod policy {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("souk.policy.v1");
        }
    }
    /// What services announce.
    pub mod event {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("souk.event.v1");
        }
    }
    /// svc-identity.
    pub mod identity {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("souk.identity.v1");
        }
    }
    /// svc-catalog.
    pub mod catalog {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("souk.catalog.v1");
        }
    }
    /// svc-order.
    pub mod order {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("souk.order.v1");
        }
    }
    /// svc-payment.
    pub mod payment {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("souk.payment.v1");
        }
    }
    /// svc-notify.
    pub mod notify {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("souk.notify.v1");
        }
    }
}
