// Asks as the others do. A line for each request: what came, milliseconds.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.time.Duration;

public class Client {
    public static void main(String[] arguments) throws Exception {
        var client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        for (var ask : new String[][] {{"/ok", ""}, {"/admin/x", ""}, {"/admin/x", "x".repeat(300000)}, {"/ok", ""}}) {
            var request = HttpRequest.newBuilder(URI.create(arguments[0] + ask[0])).timeout(Duration.ofSeconds(6));
            if (!ask[1].isEmpty()) {
                request.POST(HttpRequest.BodyPublishers.ofString(ask[1]));
            }
            String came;
            long start = System.nanoTime();
            try {
                came = "" + client.send(request.build(), HttpResponse.BodyHandlers.ofString()).statusCode();
            } catch (HttpTimeoutException error) {
                came = "hang";
            } catch (java.io.IOException error) {
                came = "reset";
            }
            System.out.println(came + " " + (System.nanoTime() - start) / 1000000);
        }
    }
}
