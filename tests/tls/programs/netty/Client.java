import io.netty.bootstrap.Bootstrap;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import io.netty.handler.ssl.SslProvider;
import io.netty.handler.ssl.util.InsecureTrustManagerFactory;
import java.util.concurrent.CountDownLatch;

/** HTTPS client on Netty and BoringSSL: PORT CONNECTIONS REQUESTS. Loads its library, says so, and begins when a byte comes. */
public class Client {
    static int port, requests;
    static CountDownLatch open;

    static class Asker extends SimpleChannelInboundHandler<FullHttpResponse> {
        final int number;
        int asked;

        Asker(int number) {
            this.number = number;
        }

        void ask(ChannelHandlerContext context) {
            String path = "/netty/" + number + "-" + asked++;
            DefaultFullHttpRequest request = new DefaultFullHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, path);
            request.headers().set("Host", "localhost");
            context.writeAndFlush(request);
        }

        @Override
        public void userEventTriggered(ChannelHandlerContext context, Object event) {
            if (event instanceof SslHandshakeCompletionEvent) ask(context);
        }

        @Override
        protected void channelRead0(ChannelHandlerContext context, FullHttpResponse response) {
            if (response.status().code() != 200) System.exit(1);
            if (asked < requests) {
                ask(context);
            } else {
                context.close();
                open.countDown();
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        port = Integer.parseInt(arguments[0]);
        int connections = Integer.parseInt(arguments[1]);
        requests = Integer.parseInt(arguments[2]);
        open = new CountDownLatch(connections);
        SslContext tls = SslContextBuilder.forClient()
                .sslProvider(SslProvider.OPENSSL)
                .trustManager(InsecureTrustManagerFactory.INSTANCE)
                .build();
        System.out.println("loaded");
        System.in.read();
        EventLoopGroup group = new NioEventLoopGroup(4);
        for (int i = 0; i < connections; i++) {
            final int number = i;
            new Bootstrap()
                    .group(group)
                    .channel(NioSocketChannel.class)
                    .handler(new ChannelInitializer<NioSocketChannel>() {
                        @Override
                        protected void initChannel(NioSocketChannel channel) {
                            channel.pipeline().addLast(
                                    tls.newHandler(channel.alloc(), "127.0.0.1", port),
                                    new HttpClientCodec(),
                                    new HttpObjectAggregator(65536),
                                    new Asker(number));
                        }
                    })
                    .connect("127.0.0.1", port);
        }
        open.await();
        System.exit(0);
    }
}
