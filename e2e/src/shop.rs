//! A shop: every server and every service as a process of its own, on ports of
//! its own, in a folder of its own.

use std::sync::atomic::{AtomicU32, Ordering};

use proto::souk::catalog::v1 as catalog;
use souk::stack::{Stack, StackOptions};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::{
    person::Person,
    wire::{self, Protocol, Wire},
};

static SHARED: OnceCell<Shop> = OnceCell::const_new();

/// A running shop.
pub struct Shop {
    /// Its processes.
    pub stack: Stack,
    next: AtomicU32,
    _dir: tempfile::TempDir,
}

impl Shop {
    /// The shop that journeys share which break nothing.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::open).await
    }

    /// A shop of one's own, to break things in.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn open() -> Self {
        Self::open_with(|options| options).await
    }

    /// A shop of one's own whose processes crash where they are told to.
    ///
    /// # Panics
    /// When it does not start; without `bin/faulty` it does not.
    pub async fn open_faulty(change: impl FnOnce(StackOptions) -> StackOptions) -> Self {
        #[expect(clippy::expect_used, reason = "without a shop there is no journey")]
        let binaries = souk::checkout::faulty_binaries().expect("a folder of binaries");
        Self::open_with(|options| change(options.binaries(binaries))).await
    }

    /// A shop of one's own, changed.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn open_with(change: impl FnOnce(StackOptions) -> StackOptions) -> Self {
        #[expect(clippy::expect_used, reason = "without a shop there is no journey")]
        Self::try_open(change).await.expect("the shop opens")
    }

    async fn try_open(change: impl FnOnce(StackOptions) -> StackOptions) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let options = without_limits(StackOptions::for_tests(dir.path()));
        let stack = Stack::start(change(options)).await?;
        let shop = Self {
            stack,
            next: AtomicU32::new(0),
            _dir: dir,
        };
        let staff = shop.staff(Protocol::Grpc).await;
        staff
            .catalog()
            .create_category(catalog::CreateCategoryRequest {
                category: Some(catalog::Category {
                    id: "outdoors".into(),
                    title: "Outdoors".into(),
                    ..Default::default()
                }),
            })
            .await?;
        Ok(shop)
    }

    /// A connection through the edge.
    ///
    /// # Panics
    /// When the edge's address makes no sense.
    pub fn wire(&self, protocol: Protocol) -> Wire {
        #[expect(clippy::expect_used, reason = "the stack made the certificate itself")]
        let ca_pem = self.stack.ca_pem().expect("the edge's authority");
        #[expect(clippy::expect_used, reason = "the stack made the address itself")]
        wire::connect(protocol, &self.stack.edge_url(), &ca_pem).expect("a wire to the edge")
    }

    /// Somebody new, registered and logged in.
    pub async fn customer(&self, protocol: Protocol) -> Person {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let email = format!("customer-{number}-{}@example.org", Uuid::new_v4().simple());
        Person::register(self.wire(protocol), &email).await
    }

    /// Somebody who runs the shop.
    pub async fn staff(&self, protocol: Protocol) -> Person {
        let staff = self.stack.staff();
        Person::log_in(self.wire(protocol), &staff.email, &staff.password).await
    }

    /// Where mails lie as files.
    pub fn mails(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.stack.mail_dir())
            .into_iter()
            .flatten()
            .flatten();
        files
            .map(|file| file.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
            .filter_map(|path| std::fs::read_to_string(path).ok())
            .collect()
    }

    /// The mails to somebody whose text has `words` in it.
    pub fn mails_to(&self, email: &str, words: &str) -> usize {
        self.mails()
            .iter()
            .filter(|mail| mail.contains(email) && mail.contains(words))
            .count()
    }
}

/// All people of a journey come from one address, and register within
/// seconds.
fn without_limits(options: StackOptions) -> StackOptions {
    ["READ", "WRITE", "SEARCH", "AUTH"]
        .iter()
        .fold(options, |options, class| {
            options.env(format!("SOUK_EDGE_RATE_{class}_PER_MINUTE"), "0")
        })
}
