"""What the faces for signed-in people share: sessions in the browser, the guard, forms, and the pages of accounts."""
