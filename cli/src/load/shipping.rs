//! What staff do about an order: as soon as it is confirmed it goes to a
//! carrier, and some of it comes back. An order that is not confirmed in time
//! is left alone.

use std::time::Duration;

use proto::souk::order::v1::{
    GetOrderRequest, Order, OrderReturn, OrderStatus, ReturnLine, ReturnOrderRequest,
    ShipOrderRequest,
};
use svc_kit::money::Money;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::arrivals::Comeback;
use super::customers::Customer;
use super::floor::Floor;
use super::record::{AskedReturn, ReturnAnswer};
use super::tally::Step;

/// How long an order may take until it is confirmed.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Who carries everything.
const CARRIER: &str = "Example Parcel";

/// Ships an order once it is confirmed, and takes back what comes back of it.
pub(super) async fn ship(
    floor: &Floor,
    customer: &Customer,
    order_id: Uuid,
    comeback: Option<&Comeback>,
) {
    let Some(order) = confirmed(floor, customer, order_id).await else {
        return;
    };
    let planned = Instant::now();
    let request = ShipOrderRequest {
        id: order.id.clone(),
        carrier: CARRIER.to_owned(),
        tracking_code: order.id.clone(),
    };
    let shipped = floor
        .staff
        .insist(&floor.clock, &request, |mut orders, request| async move {
            orders.ship_order(request).await
        })
        .await;
    floor
        .tally
        .step(Step::Ship, planned.elapsed(), shipped.is_ok());
    if let (Ok(_), Some(comeback)) = (shipped, comeback) {
        take_back(floor, order_id, &order, comeback).await;
    }
}

/// The order as its customer sees it; none when it is called off, or takes too
/// long.
async fn confirmed(floor: &Floor, customer: &Customer, order_id: Uuid) -> Option<Order> {
    let request = GetOrderRequest {
        id: order_id.to_string(),
    };
    let looking = async {
        loop {
            let order = customer
                .login
                .insist(&floor.clock, &request, |mut orders, request| async move {
                    orders.get_order(request).await
                })
                .await
                .ok()?;
            match order.status() {
                OrderStatus::Confirmed => return Some(order),
                OrderStatus::Pending | OrderStatus::Reserved => sleep(LOOK_EVERY).await,
                _ => return None,
            }
        }
    };
    timeout(CONFIRMED_WITHIN, looking).await.ok().flatten()
}

async fn take_back(floor: &Floor, order_id: Uuid, order: &Order, comeback: &Comeback) {
    let planned = Instant::now();
    let request_id = svc_kit::id::generate(&floor.clock);
    let lines: Vec<ReturnLine> = order
        .lines
        .iter()
        .map(|line| ReturnLine {
            product_id: line.product_id.clone(),
            quantity: if comeback.whole { line.quantity } else { 1 },
            restock: comeback.restocked,
        })
        .collect();
    let pieces = lines
        .iter()
        .filter_map(|line| Some((line.product_id.parse().ok()?, line.quantity.into())))
        .collect();
    let request = ReturnOrderRequest {
        id: order.id.clone(),
        request_id: request_id.to_string(),
        lines,
        // What it cost.
        refund: None,
        reason: "does not fit".to_owned(),
    };
    let mut answers: Vec<ReturnAnswer> = ask_back(floor, &request).await.into_iter().collect();
    floor
        .tally
        .step(Step::Return, planned.elapsed(), !answers.is_empty());
    if comeback.repeated && !answers.is_empty() {
        answers.extend(ask_back(floor, &request).await);
    }
    floor.note_return(AskedReturn {
        request_id,
        order_id,
        pieces,
        restocked: comeback.restocked,
        answers,
    });
}

/// Always under the same request id.
async fn ask_back(floor: &Floor, request: &ReturnOrderRequest) -> Option<ReturnAnswer> {
    let returned = floor
        .staff
        .insist(&floor.clock, request, |mut orders, request| async move {
            orders.return_order(request).await
        })
        .await
        .ok()?;
    answered(&returned)
}

fn answered(returned: &OrderReturn) -> Option<ReturnAnswer> {
    Some(ReturnAnswer {
        return_id: returned.id.parse().ok()?,
        refund_minor: Money::try_from(returned.refund.as_ref()?).ok()?.minor,
    })
}
