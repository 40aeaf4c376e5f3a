//! One trace id, from the edge to the mail.

use e2e::{journey, person::order_of, shop::Shop, wait, wire::Protocol};
use proto::souk::order::v1::OrderStatus;
use souk::stack::Process;
use tonic::Request;
use uuid::Uuid;

#[test]
fn one_trace_id_leads_from_the_edge_to_the_mail() {
    journey(async {
        let shop = Shop::shared().await;
        let product = shop
            .staff(Protocol::Grpc)
            .await
            .sells("Tent with footprints", 5)
            .await;
        let customer = shop.customer(Protocol::GrpcWeb).await;
        let trace_id = Uuid::new_v4().simple().to_string();

        let mut request = Request::new(order_of(&product.id, "tok_ok"));
        let traceparent = format!("00-{trace_id}-00f067aa0ba902b7-01");
        request
            .metadata_mut()
            .insert("traceparent", traceparent.parse().unwrap());
        let placed = customer
            .orders()
            .place_order(request)
            .await
            .unwrap()
            .into_inner();
        customer.sees(&placed.id, OrderStatus::Confirmed).await;

        for process in [
            Process::Edge,
            Process::Order,
            Process::Catalog,
            Process::Payment,
            Process::Notify,
        ] {
            wait::eventually(format!("the trace in the log of {process:?}"), async || {
                shop.stack.log(process).contains(&trace_id).then_some(())
            })
            .await;
        }
    });
}

#[test]
fn no_log_shows_a_mail_address_or_a_token() {
    journey(async {
        let shop = Shop::shared().await;
        let product = shop
            .staff(Protocol::Grpc)
            .await
            .sells("Tent of discretion", 5)
            .await;
        let customer = shop.customer(Protocol::GrpcWeb).await;
        let placed = customer.orders_one(&product.id, "tok_ok").await.unwrap();
        customer.sees(&placed.id, OrderStatus::Confirmed).await;
        wait::eventually("the mail", async || {
            (shop.mails_to(&customer.email, &placed.id) > 0).then_some(())
        })
        .await;

        for process in [
            Process::Edge,
            Process::Identity,
            Process::Order,
            Process::Catalog,
            Process::Payment,
            Process::Notify,
        ] {
            let log = shop.stack.log(process);
            for secret in [
                &customer.email,
                &customer.tokens.access_token,
                &customer.tokens.refresh_token,
                "Ada Example",
                "Example Street",
            ] {
                assert!(
                    !log.contains(secret),
                    "the log of {process:?} shows {secret:?}"
                );
            }
        }
    });
}
