//! Somebody with a token: a customer or a member of staff.

use std::time::Duration;

use proto::souk::{
    catalog::v1::{self as catalog, catalog_service_client::CatalogServiceClient},
    identity::v1::{self as identity, identity_service_client::IdentityServiceClient},
    notify::v1::notify_service_client::NotifyServiceClient,
    order::v1::{self as order, order_service_client::OrderServiceClient},
    payment::v1::{self as payment, payment_service_client::PaymentServiceClient},
    r#type::v1::{Address, Money},
};
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
};
use uuid::Uuid;

use crate::{wait, wire::Wire};

/// A password like any other.
const PASSWORD: &str = "correct horse battery staple";

/// A wire that shows a token with each call.
pub type SignedIn = InterceptedService<Wire, Bearer>;

/// Shows a token.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Somebody who is logged in.
#[derive(Clone)]
pub struct Person {
    /// Whom mails go to.
    pub email: String,
    /// What the session holds.
    pub tokens: identity::Tokens,
    wire: SignedIn,
}

#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step of a journey that fails ends the journey"
)]
impl Person {
    /// Opens an account.
    ///
    /// # Panics
    /// When the shop will not have it.
    pub async fn register(wire: Wire, email: &str) -> Self {
        Self::try_register(wire, email).await.expect("registers")
    }

    async fn try_register(wire: Wire, email: &str) -> Result<Self, Status> {
        let request = identity::RegisterRequest {
            email: email.to_owned(),
            password: PASSWORD.to_owned(),
            display_name: "Ada Example".to_owned(),
        };
        let answer = IdentityServiceClient::new(wire.clone())
            .register(request)
            .await?
            .into_inner();
        Ok(Self::with(wire, email, answer.tokens.unwrap()))
    }

    /// The same session over another connection.
    #[must_use]
    pub fn over(&self, wire: Wire) -> Self {
        Self::with(wire, &self.email, self.tokens.clone())
    }

    /// Comes back with the password of `register`.
    ///
    /// # Panics
    /// When the shop does not know it.
    pub async fn log_in_again(&self, wire: Wire) -> Self {
        Self::log_in(wire, &self.email, PASSWORD).await
    }

    /// Comes back.
    ///
    /// # Panics
    /// When the shop does not know the password.
    pub async fn log_in(wire: Wire, email: &str, password: &str) -> Self {
        Self::try_log_in(wire, email, password)
            .await
            .expect("logs in")
    }

    /// Opens an account, or comes back when it is there: whoever had no answer
    /// the first time asks again.
    ///
    /// # Errors
    /// The shop's refusal.
    pub async fn register_or_log_in(wire: Wire, email: &str) -> Result<Self, Status> {
        match Self::try_register(wire.clone(), email).await {
            Err(status) if status.code() == Code::AlreadyExists => {
                Self::try_log_in(wire, email, PASSWORD).await
            }
            answer => answer,
        }
    }

    async fn try_log_in(wire: Wire, email: &str, password: &str) -> Result<Self, Status> {
        let request = identity::LogInRequest {
            email: email.to_owned(),
            password: password.to_owned(),
        };
        let answer = IdentityServiceClient::new(wire.clone())
            .log_in(request)
            .await?
            .into_inner();
        Ok(Self::with(wire, email, answer.tokens.unwrap()))
    }

    fn with(wire: Wire, email: &str, tokens: identity::Tokens) -> Self {
        let wire = signed_in(wire, &tokens.access_token);
        Self {
            email: email.to_owned(),
            tokens,
            wire,
        }
    }

    /// Calls svc-identity.
    pub fn identity(&self) -> IdentityServiceClient<SignedIn> {
        IdentityServiceClient::new(self.wire.clone())
    }

    /// Calls svc-catalog.
    pub fn catalog(&self) -> CatalogServiceClient<SignedIn> {
        CatalogServiceClient::new(self.wire.clone())
    }

    /// Calls svc-order.
    pub fn orders(&self) -> OrderServiceClient<SignedIn> {
        OrderServiceClient::new(self.wire.clone())
    }

    /// Calls svc-payment.
    pub fn payments(&self) -> PaymentServiceClient<SignedIn> {
        PaymentServiceClient::new(self.wire.clone())
    }

    /// Calls svc-notify.
    pub fn notices(&self) -> NotifyServiceClient<SignedIn> {
        NotifyServiceClient::new(self.wire.clone())
    }

    /// Puts something new on sale.
    ///
    /// # Panics
    /// When the shop will not have it.
    pub async fn sells(&self, title: &str, stock: i64) -> catalog::Product {
        let product = catalog::Product {
            title: title.to_owned(),
            category_id: "outdoors".to_owned(),
            price: Some(Money {
                currency_code: "USD".to_owned(),
                units: 42,
                nanos: 500_000_000,
            }),
            ..Default::default()
        };
        let request = catalog::CreateProductRequest {
            product: Some(product),
            initial_stock: stock,
            request_id: Uuid::new_v4().to_string(),
        };
        self.catalog()
            .create_product(request)
            .await
            .expect("creates a product")
            .into_inner()
    }

    /// What there is of a product.
    ///
    /// # Panics
    /// When the shop will not say.
    pub async fn stock(&self, product_id: &str) -> catalog::Stock {
        let request = catalog::GetStockRequest {
            product_id: product_id.to_owned(),
        };
        self.catalog()
            .get_stock(request)
            .await
            .expect("reads the stock")
            .into_inner()
    }

    /// Orders one piece.
    ///
    /// # Errors
    /// The shop's refusal.
    pub async fn orders_one(
        &self,
        product_id: &str,
        payment_token: &str,
    ) -> Result<order::Order, Status> {
        self.places(order_of(product_id, payment_token)).await
    }

    /// Places an order.
    ///
    /// # Errors
    /// The shop's refusal.
    pub async fn places(&self, request: order::PlaceOrderRequest) -> Result<order::Order, Status> {
        Ok(self.orders().place_order(request).await?.into_inner())
    }

    /// Looks at an order.
    ///
    /// # Panics
    /// When the shop will not show it.
    pub async fn order(&self, id: &str) -> order::Order {
        self.try_order(id).await.expect("reads the order")
    }

    /// Looks at an order.
    ///
    /// # Errors
    /// The shop's refusal.
    pub async fn try_order(&self, id: &str) -> Result<order::Order, Status> {
        let request = order::GetOrderRequest { id: id.to_owned() };
        Ok(self.orders().get_order(request).await?.into_inner())
    }

    /// Waits until an order has come to `status`.
    ///
    /// # Panics
    /// When it does not.
    pub async fn sees(&self, id: &str, status: order::OrderStatus) -> order::Order {
        self.sees_within(wait::PATIENCE, id, status).await
    }

    /// Waits until an order has come to `status`, for as long as `patience`.
    ///
    /// # Panics
    /// When it does not.
    pub async fn sees_within(
        &self,
        patience: Duration,
        id: &str,
        status: order::OrderStatus,
    ) -> order::Order {
        wait::within(
            patience,
            format!("order {id} to become {status:?}"),
            async || {
                let order = self.try_order(id).await.ok()?;
                (order.status() == status).then_some(order)
            },
        )
        .await
    }

    /// The payment of an order.
    ///
    /// # Errors
    /// The shop's refusal.
    pub async fn payment(&self, order_id: &str) -> Result<payment::Payment, Status> {
        let request = payment::GetPaymentRequest {
            order_id: order_id.to_owned(),
        };
        Ok(self.payments().get_payment(request).await?.into_inner())
    }

    /// The balances of the ledger; of one order, or of all with "".
    ///
    /// # Panics
    /// When the shop will not show it.
    pub async fn ledger(&self, order_id: &str) -> Vec<payment::LedgerBalance> {
        let request = payment::GetLedgerRequest {
            order_id: order_id.to_owned(),
        };
        self.payments()
            .get_ledger(request)
            .await
            .expect("reads the ledger")
            .into_inner()
            .balances
    }
}

/// A wire that shows `token` with each call.
///
/// # Panics
/// When the token is not plain ASCII.
pub fn signed_in(wire: Wire, token: &str) -> SignedIn {
    #[expect(clippy::expect_used, reason = "tokens are base64")]
    let bearer = Bearer(format!("Bearer {token}").parse().expect("an ASCII token"));
    InterceptedService::new(wire, bearer)
}

/// An order of one piece, with a request id of its own.
pub fn order_of(product_id: &str, payment_token: &str) -> order::PlaceOrderRequest {
    order::PlaceOrderRequest {
        request_id: Uuid::new_v4().to_string(),
        items: vec![order::OrderItem {
            product_id: product_id.to_owned(),
            quantity: 1,
        }],
        shipping_address: Some(address()),
        payment_token: payment_token.to_owned(),
        expected_total: None,
        billing_country: String::new(),
    }
}

/// Where parcels go.
pub fn address() -> Address {
    Address {
        recipient: "Ada Example".to_owned(),
        address_lines: vec!["Example Street 1".to_owned()],
        locality: "Berlin".to_owned(),
        administrative_area: String::new(),
        postal_code: "10115".to_owned(),
        region_code: "DE".to_owned(),
    }
}
