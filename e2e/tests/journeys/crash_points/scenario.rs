//! What people do while a process crashes, and how it must end. They do what
//! patient people do: who has no answer asks again, with the same request.

use std::sync::atomic::{AtomicI64, Ordering};

use e2e::{
    money::{nanos, paid, sum},
    person::{Person, order_of},
    shop::Shop,
    wait,
    wire::Protocol,
};
use proto::souk::{
    identity::v1::GetProfileRequest,
    order::v1::{CancelOrderRequest, Order, OrderStatus},
};
use uuid::Uuid;

use super::{
    RECOVERY,
    books::{Books, Entries},
};

/// Pieces that there are at first.
const STOCK: i64 = 10_000;

/// What somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Opens an account.
    Register,
    /// Buys something.
    Buy,
    /// Buys something, and cancels it when it is paid.
    Cancel,
    /// Buys what is not there.
    Miss,
    /// Pays with a card that is declined.
    Decline,
}

impl Scenario {
    /// Those with fewer points of their own last.
    pub(crate) const ALL: [Self; 5] = [
        Self::Register,
        Self::Buy,
        Self::Cancel,
        Self::Miss,
        Self::Decline,
    ];
}

/// What was done.
pub(crate) enum Done {
    Account(String),
    Order(String),
}

/// Who takes part.
pub(crate) struct Cast<'a> {
    shop: &'a Shop,
    staff: Person,
    customer: Person,
    there: String,
    gone: String,
    sold: AtomicI64,
}

impl<'a> Cast<'a> {
    pub(crate) async fn of(shop: &'a Shop) -> Self {
        let staff = shop.staff(Protocol::Grpc).await;
        Self {
            there: staff.sells("Tent in the storm", STOCK).await.id,
            gone: staff.sells("Tent that blew away", 0).await.id,
            customer: shop.customer(Protocol::Grpc).await,
            sold: AtomicI64::new(0),
            staff,
            shop,
        }
    }

    /// Does it, however often it takes.
    pub(crate) async fn plays(&self, scenario: Scenario) -> Done {
        match scenario {
            Scenario::Register => Done::Account(self.registers().await),
            Scenario::Buy => {
                self.sold.fetch_add(1, Ordering::Relaxed);
                Done::Order(self.places(&self.there, "tok_ok").await)
            }
            Scenario::Cancel => {
                let id = self.places(&self.there, "tok_ok").await;
                self.sees(&id, OrderStatus::Confirmed).await;
                wait::within(RECOVERY, "the cancellation", async || {
                    let request = CancelOrderRequest { id: id.clone() };
                    self.customer.orders().cancel_order(request).await.ok()
                })
                .await;
                Done::Order(id)
            }
            Scenario::Miss => Done::Order(self.places(&self.gone, "tok_ok").await),
            Scenario::Decline => Done::Order(self.places(&self.there, "tok_declined").await),
        }
    }

    /// Waits for the end that it must come to.
    pub(crate) async fn sees_the_end(&self, books: &Books, scenario: Scenario, done: &Done) {
        let order_id = match done {
            Done::Account(id) => {
                wait::within(RECOVERY, "one mail to a new customer", async || {
                    let mails = books.mails_to(id).await;
                    assert!(mails <= 1, "one mail");
                    (mails == 1 && books.waiting().await == 0).then_some(())
                })
                .await;
                return;
            }
            Done::Order(id) => id,
        };
        let (status, reason, entries) = match scenario {
            Scenario::Register => unreachable!("no order"),
            Scenario::Buy => (OrderStatus::Confirmed, "", entries(1, 1, 0, 1)),
            Scenario::Cancel => (OrderStatus::Cancelled, "CUSTOMER", entries(1, 1, 1, 2)),
            Scenario::Miss => (
                OrderStatus::Cancelled,
                "STOCK_INSUFFICIENT",
                entries(0, 0, 0, 1),
            ),
            Scenario::Decline => (
                OrderStatus::Cancelled,
                "PAYMENT_DECLINED",
                entries(1, 0, 0, 1),
            ),
        };
        let order = self.sees(order_id, status).await;
        assert!(
            order.cancel_reason.starts_with(reason),
            "{}",
            order.cancel_reason
        );
        wait::until_it_is(
            RECOVERY,
            format!("order {order_id}"),
            &entries,
            async || books.entries(order_id).await,
        )
        .await;
        wait::within(RECOVERY, "the stock to be right", async || {
            let sold = self.sold.load(Ordering::Relaxed);
            let stock = self.staff.stock(&self.there).await;
            ((stock.on_hand, stock.reserved) == (STOCK - sold, 0)).then_some(())
        })
        .await;
        if scenario == Scenario::Cancel {
            wait::within(RECOVERY, "the refund to be known", async || {
                let order = self.customer.try_order(order_id).await.ok()?;
                order.refunded.then_some(())
            })
            .await;
        }
        let ledger = self.staff.ledger(order_id).await;
        assert_eq!(sum(&ledger), 0, "{ledger:?}");
        let kept = i128::from(entries.captures - entries.refunds);
        assert_eq!(
            paid(&ledger),
            kept * nanos(order.total.as_ref()),
            "{ledger:?}"
        );
        assert_eq!(sum(&self.staff.ledger("").await), 0);
    }

    async fn registers(&self) -> String {
        let email = format!("patient-{}@example.org", Uuid::new_v4().simple());
        wait::within(RECOVERY, "an account", async || {
            let wire = self.shop.wire(Protocol::GrpcWeb);
            let person = Person::register_or_log_in(wire, &email).await.ok()?;
            let profile = person.identity().get_profile(GetProfileRequest {}).await;
            Some(profile.ok()?.into_inner().id)
        })
        .await
    }

    async fn places(&self, product_id: &str, payment_token: &str) -> String {
        let request = order_of(product_id, payment_token);
        wait::within(RECOVERY, "an order", async || {
            Some(self.customer.places(request.clone()).await.ok()?.id)
        })
        .await
    }

    async fn sees(&self, id: &str, status: OrderStatus) -> Order {
        self.customer.sees_within(RECOVERY, id, status).await
    }
}

fn entries(payments: i64, captures: i64, refunds: i64, mails: i64) -> Entries {
    Entries {
        payments,
        captures,
        refunds,
        mails,
        waiting: 0,
    }
}
