//! The RPC methods: decode, call, encode. No rules in here.

mod convert;

use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use proto::souk::order::v1::{self as pb, order_service_server::OrderService};
use svc_kit::{caller::Caller, error::Invalid, id, page};
use tonic::{Request, Response, Status};

use crate::{
    app::App,
    audit,
    cancel_order::cancel_order,
    clear_cart::clear_cart,
    compensate_checkout::compensate_checkout,
    decide_review::{DecideReview, decide_review},
    deliver_order::deliver_order,
    find_review::find_review,
    get_cart::get_cart,
    get_order::get_order,
    list_audit_records::{ListAuditRecords, list_audit_records},
    list_orders::{ListOrders, list_orders},
    list_reviews::{ListReviews, list_reviews},
    list_stuck_checkouts::{ListStuckCheckouts, list_stuck_checkouts},
    order::{Order, OrderId, Shipment},
    place_order::{PlaceOrder, place_order},
    retry_checkout::retry_checkout,
    return_order::{ReturnOrder, return_order},
    set_cart_item::{SetCartItem, set_cart_item},
    ship_order::ship_order,
    watch_cart::watch_cart,
    watch_order::watch_order,
};

/// The methods over an app.
pub struct OrderGrpc {
    app: App,
}

impl OrderGrpc {
    /// Over this app.
    pub fn new(app: App) -> Self {
        Self { app }
    }

    /// An order as staff see it: with its review.
    async fn for_staff(&self, order: Order) -> Result<Response<pb::Order>, Status> {
        let review = find_review(&self.app, &order).await?;
        Ok(Response::new(convert::for_staff(order, review.as_ref())))
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn order_id(text: &str) -> Result<OrderId, Invalid> {
    id::parse("id", text)
}

#[tonic::async_trait]
impl OrderService for OrderGrpc {
    type WatchCartStream = Answers<pb::WatchCartResponse>;
    type WatchOrderStream = Answers<pb::WatchOrderResponse>;

    async fn get_cart(
        &self,
        request: Request<pb::GetCartRequest>,
    ) -> Result<Response<pb::Cart>, Status> {
        let caller = Caller::of(&request)?;
        let cart = get_cart(&self.app, &caller).await?;
        Ok(Response::new(cart.into()))
    }

    async fn set_cart_item(
        &self,
        request: Request<pb::SetCartItemRequest>,
    ) -> Result<Response<pb::Cart>, Status> {
        let caller = Caller::of(&request)?;
        let command = SetCartItem::try_from(request.into_inner())?;
        let cart = set_cart_item(&self.app, &caller, command).await?;
        Ok(Response::new(cart.into()))
    }

    async fn clear_cart(
        &self,
        request: Request<pb::ClearCartRequest>,
    ) -> Result<Response<pb::Cart>, Status> {
        let caller = Caller::of(&request)?;
        let expected_version = convert::expected_version(request.into_inner().expected_version)?;
        let cart = clear_cart(&self.app, &caller, expected_version).await?;
        Ok(Response::new(cart.into()))
    }

    async fn watch_cart(
        &self,
        request: Request<pb::WatchCartRequest>,
    ) -> Result<Response<Self::WatchCartStream>, Status> {
        let caller = Caller::of(&request)?;
        let carts = watch_cart(&self.app, &caller).await?;
        let answers = carts.map(|cart| {
            Ok(pb::WatchCartResponse {
                cart: Some(cart?.into()),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn place_order(
        &self,
        request: Request<pb::PlaceOrderRequest>,
    ) -> Result<Response<pb::Order>, Status> {
        let caller = Caller::of(&request)?;
        let command = PlaceOrder::try_from(request.into_inner())?;
        let order = place_order(&self.app, &caller, command).await?;
        Ok(Response::new(order.into()))
    }

    async fn get_order(
        &self,
        request: Request<pb::GetOrderRequest>,
    ) -> Result<Response<pb::Order>, Status> {
        let caller = Caller::of(&request)?;
        let order = get_order(&self.app, &caller, order_id(&request.into_inner().id)?).await?;
        Ok(Response::new(order.into()))
    }

    async fn list_orders(
        &self,
        request: Request<pb::ListOrdersRequest>,
    ) -> Result<Response<pb::ListOrdersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let query = ListOrders::try_from(request.into_inner())?;
        let found = list_orders(&self.app, &caller, query).await?;
        Ok(Response::new(pb::ListOrdersResponse {
            orders: found.orders.into_iter().map(pb::Order::from).collect(),
            next_page_token: found
                .next
                .map(|last| page::encode(&last))
                .unwrap_or_default(),
        }))
    }

    async fn cancel_order(
        &self,
        request: Request<pb::CancelOrderRequest>,
    ) -> Result<Response<pb::Order>, Status> {
        let caller = Caller::of(&request)?;
        let order = cancel_order(&self.app, &caller, order_id(&request.into_inner().id)?).await?;
        Ok(Response::new(order.into()))
    }

    async fn watch_order(
        &self,
        request: Request<pb::WatchOrderRequest>,
    ) -> Result<Response<Self::WatchOrderStream>, Status> {
        let caller = Caller::of(&request)?;
        let orders = watch_order(&self.app, &caller, order_id(&request.into_inner().id)?).await?;
        let answers = orders.map(|order| {
            Ok(pb::WatchOrderResponse {
                order: Some(order?.into()),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn ship_order(
        &self,
        request: Request<pb::ShipOrderRequest>,
    ) -> Result<Response<pb::Order>, Status> {
        let request = request.into_inner();
        let shipment = Shipment::parse(&request.carrier, &request.tracking_code)?;
        let order = ship_order(&self.app, order_id(&request.id)?, shipment).await?;
        self.for_staff(order).await
    }

    async fn deliver_order(
        &self,
        request: Request<pb::DeliverOrderRequest>,
    ) -> Result<Response<pb::Order>, Status> {
        let order = deliver_order(&self.app, order_id(&request.into_inner().id)?).await?;
        self.for_staff(order).await
    }

    async fn return_order(
        &self,
        request: Request<pb::ReturnOrderRequest>,
    ) -> Result<Response<pb::OrderReturn>, Status> {
        let caller = Caller::of(&request)?;
        let command = ReturnOrder::try_from(request.into_inner())?;
        let returned = return_order(&self.app, &caller, command).await?;
        Ok(Response::new(returned.into()))
    }

    async fn list_audit_records(
        &self,
        request: Request<pb::ListAuditRecordsRequest>,
    ) -> Result<Response<pb::ListAuditRecordsResponse>, Status> {
        let query = ListAuditRecords::try_from(request.into_inner())?;
        let found = list_audit_records(&self.app, query).await?;
        Ok(Response::new(pb::ListAuditRecordsResponse {
            records: found
                .records
                .into_iter()
                .map(pb::AuditRecord::from)
                .collect(),
            next_page_token: found
                .next
                .map(|last| page::encode(&last))
                .unwrap_or_default(),
        }))
    }

    async fn list_reviews(
        &self,
        request: Request<pb::ListReviewsRequest>,
    ) -> Result<Response<pb::ListReviewsResponse>, Status> {
        let query = ListReviews::try_from(request.into_inner())?;
        let found = list_reviews(&self.app, query).await?;
        Ok(Response::new(pb::ListReviewsResponse {
            reviews: found.reviews.into_iter().map(convert::review).collect(),
            next_page_token: found
                .next
                .map(|last| page::encode(&last))
                .unwrap_or_default(),
        }))
    }

    async fn decide_review(
        &self,
        request: Request<pb::DecideReviewRequest>,
    ) -> Result<Response<pb::OrderReview>, Status> {
        let caller = Caller::of(&request)?;
        let command = DecideReview::try_from(request.into_inner())?;
        let decided = decide_review(&self.app, &caller, command).await?;
        Ok(Response::new(convert::review(decided)))
    }

    async fn list_stuck_checkouts(
        &self,
        request: Request<pb::ListStuckCheckoutsRequest>,
    ) -> Result<Response<pb::ListStuckCheckoutsResponse>, Status> {
        let query = ListStuckCheckouts::try_from(request.into_inner())?;
        let found = list_stuck_checkouts(&self.app, query).await?;
        Ok(Response::new(pb::ListStuckCheckoutsResponse {
            checkouts: found
                .checkouts
                .into_iter()
                .map(pb::StuckCheckout::from)
                .collect(),
            next_page_token: found
                .next
                .map(|last| page::encode(&last))
                .unwrap_or_default(),
        }))
    }

    async fn retry_checkout(
        &self,
        request: Request<pb::RetryCheckoutRequest>,
    ) -> Result<Response<pb::Order>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let id = id::parse("order_id", &request.order_id)?;
        let reason = audit::reason("reason", &request.reason)?;
        let order = retry_checkout(&self.app, &caller, id, &reason).await?;
        self.for_staff(order).await
    }

    async fn compensate_checkout(
        &self,
        request: Request<pb::CompensateCheckoutRequest>,
    ) -> Result<Response<pb::Order>, Status> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let id = id::parse("order_id", &request.order_id)?;
        let reason = audit::reason("reason", &request.reason)?;
        let order = compensate_checkout(&self.app, &caller, id, &reason).await?;
        self.for_staff(order).await
    }
}
