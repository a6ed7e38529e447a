import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.settings.Settings;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** One node of OpenSearch: HOME for its data, PORT for HTTP on 127.0.0.1. Runs as any user, without an installation. */
public class Server {
    static class Single extends Node {
        Single(Settings settings) {
            super(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "test"), List.of(Netty4Plugin.class), false);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Settings settings = Settings.builder()
            .put("path.home", arguments[0])
            .put("http.port", arguments[1])
            .put("network.host", "127.0.0.1")
            .put("transport.port", "0")
            .put("discovery.type", "single-node")
            // a disk that is nearly full, as of a developer's machine, would make indices read-only
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
        new Single(settings).start();
        new CountDownLatch(1).await();
    }
}
