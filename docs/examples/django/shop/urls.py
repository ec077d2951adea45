from django.urls import path

from shop import views

urlpatterns = [
    path("refunds", views.refund),
    path("refunds-on-commit", views.refund_on_commit),
]
