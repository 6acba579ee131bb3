"""People who look around in the sample shop and buy nothing. Each brings a connection of its own."""

from locust import FastHttpUser, task


class Visitor(FastHttpUser):
    @task
    def browse(self) -> None:
        with self.client.get(
            "/products",
            name="browse",
            headers={"Connection": "close"},
            catch_response=True,
            context={"transaction": "browse"},
        ) as page:
            if page.status_code == 200 and not page.json():
                page.failure("wrong: the page is empty")
