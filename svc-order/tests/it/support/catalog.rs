//! A svc-catalog that answers `BatchGetProducts` from what the test put in.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use futures::Stream;
use proto::souk::catalog::v1::{
    self as pb,
    catalog_service_server::{CatalogService, CatalogServiceServer},
};
use svc_kit::{
    client::{ClientConfig, channel},
    clock::Clock,
    money::Money,
};
use svc_order::{clients::catalog::Catalog, product::ProductId};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// A product as a test has put it in.
#[derive(Clone)]
struct Sold {
    title: String,
    price: Money,
    purchase_limit: i32,
}

/// The products, and whether they can be had.
#[derive(Clone, Default)]
pub(crate) struct TestCatalog {
    products: Arc<Mutex<HashMap<ProductId, Sold>>>,
    away: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
}

impl TestCatalog {
    /// Starts on a free port.
    pub(crate) async fn start() -> (Self, Catalog) {
        let catalog = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder()
            .add_service(CatalogServiceServer::new(catalog.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        let client = channel(&url, &ClientConfig { timeout_ms: 2000 }, None).unwrap();
        (catalog, Catalog::new(client))
    }

    /// Adds a product.
    pub(crate) fn sell(&self, title: &str, price: Money) -> ProductId {
        let id = ProductId::generate(&Clock::system());
        let sold = Sold {
            title: title.to_owned(),
            price,
            purchase_limit: 0,
        };
        self.products.lock().unwrap().insert(id, sold);
        id
    }

    pub(crate) fn set_price(&self, id: ProductId, price: Money) {
        self.products.lock().unwrap().get_mut(&id).unwrap().price = price;
    }

    pub(crate) fn set_purchase_limit(&self, id: ProductId, limit: i32) {
        let mut products = self.products.lock().unwrap();
        products.get_mut(&id).unwrap().purchase_limit = limit;
    }

    pub(crate) fn remove(&self, id: ProductId) {
        self.products.lock().unwrap().remove(&id);
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// How often it was asked.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

fn absent<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not needed by these tests"))
}

#[tonic::async_trait]
impl CatalogService for TestCatalog {
    async fn batch_get_products(
        &self,
        request: Request<pb::BatchGetProductsRequest>,
    ) -> Result<Response<pb::BatchGetProductsResponse>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("away"));
        }
        let ids = request.into_inner().ids;
        if ids.is_empty() || ids.len() > 100 {
            return Err(Status::invalid_argument("ids must be 1 to 100"));
        }
        let products = self.products.lock().unwrap();
        let mut answer = pb::BatchGetProductsResponse::default();
        for id in ids {
            match products.get(&id.parse().unwrap()) {
                None => answer.missing_ids.push(id),
                Some(sold) => answer.products.push(pb::Product {
                    id,
                    title: sold.title.clone(),
                    price: Some(sold.price.into()),
                    purchase_limit: sold.purchase_limit,
                    ..pb::Product::default()
                }),
            }
        }
        Ok(Response::new(answer))
    }

    type ImportProductsStream =
        Pin<Box<dyn Stream<Item = Result<pb::ImportProductsResponse, Status>> + Send>>;

    async fn get_product(
        &self,
        _: Request<pb::GetProductRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        absent()
    }

    async fn list_products(
        &self,
        _: Request<pb::ListProductsRequest>,
    ) -> Result<Response<pb::ListProductsResponse>, Status> {
        absent()
    }

    async fn list_categories(
        &self,
        _: Request<pb::ListCategoriesRequest>,
    ) -> Result<Response<pb::ListCategoriesResponse>, Status> {
        absent()
    }

    async fn search_products(
        &self,
        _: Request<pb::SearchProductsRequest>,
    ) -> Result<Response<pb::SearchProductsResponse>, Status> {
        absent()
    }

    async fn suggest_products(
        &self,
        _: Request<pb::SuggestProductsRequest>,
    ) -> Result<Response<pb::SuggestProductsResponse>, Status> {
        absent()
    }

    async fn create_product(
        &self,
        _: Request<pb::CreateProductRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        absent()
    }

    async fn update_product(
        &self,
        _: Request<pb::UpdateProductRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        absent()
    }

    async fn adjust_stock(
        &self,
        _: Request<pb::AdjustStockRequest>,
    ) -> Result<Response<pb::Stock>, Status> {
        absent()
    }

    async fn get_stock(
        &self,
        _: Request<pb::GetStockRequest>,
    ) -> Result<Response<pb::Stock>, Status> {
        absent()
    }

    async fn create_category(
        &self,
        _: Request<pb::CreateCategoryRequest>,
    ) -> Result<Response<pb::Category>, Status> {
        absent()
    }

    async fn import_products(
        &self,
        _: Request<tonic::Streaming<pb::ImportProductsRequest>>,
    ) -> Result<Response<Self::ImportProductsStream>, Status> {
        absent()
    }
}
